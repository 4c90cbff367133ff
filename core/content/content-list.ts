import { contentPath } from "./content-path.ts";
import type { ContentFile, ContentFolder } from "./content-tree.ts";

/** A folder as JSON: its files at any depth, each with its path in this folder, its bytes and its content URL. */
export function listJson(infoHash: string, names: readonly string[], list: ContentFolder): object {
  const files = [...filesIn(list, [])].map(({ file, path }) => ({
    path: path.join("/"),
    length: file.length,
    url: contentPath(infoHash, [...names, ...path]),
  }));
  return { info_hash: infoHash, files };
}

/** A folder as a page of links to its entries, which programs that mirror a site can follow too. */
export function listHtml(infoHash: string, names: readonly string[], list: ContentFolder): string {
  const entries = [...list.entries.values()].map((entry) => {
    const isFolder = entry.kind === "folder";
    const href = contentPath(infoHash, [...names, entry.name], isFolder);
    const size = isFolder ? "" : `<td>${entry.length}`;
    return `<tr><td><a href="${escapeHtml(href)}">${escapeHtml(entry.name)}${isFolder ? "/" : ""}</a>${size}`;
  });
  const title = escapeHtml(names.join("/") || infoHash);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>:root{color-scheme:light dark;font:1rem/1.5 system-ui;margin:2rem}td{padding:0 2rem 0 0}td+td{text-align:right}</style>
<h1>${title}</h1>
<table>
${entries.join("\n")}
</table>
</html>
`;
}

function* filesIn(
  { entries }: ContentFolder,
  above: readonly string[],
): Generator<{ file: ContentFile; path: readonly string[] }> {
  for (const entry of entries.values()) {
    const path = [...above, entry.name];
    if (entry.kind === "file") yield { file: entry, path };
    else yield* filesIn(entry, path);
  }
}

/** Every name may lie in text and in a quoted attribute after this. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
