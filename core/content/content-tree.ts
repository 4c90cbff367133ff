import type { Torrent } from "../torrent/torrent.ts";

/** A file of a torrent: where its bytes lie. */
export interface ContentFile {
  readonly kind: "file";
  /** The last name of its path. */
  readonly name: string;
  /** Index in the torrent's `files`; 0 for a torrent of one file. */
  readonly index: number;
  /** Byte offset in the torrent's content. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** A folder of a torrent. The top folder of every torrent holds one entry: its file or its own folder. */
export interface ContentFolder {
  readonly kind: "folder";
  readonly name: string;
  /** By name in normal form C, in the torrent's order. */
  readonly entries: ReadonlyMap<string, ContentFile | ContentFolder>;
}

interface OpenFolder extends ContentFolder {
  readonly entries: Map<string, ContentFile | OpenFolder>;
}

/** The files of a torrent as a tree of folders. Undefined for a legacy torrent, whose lengths are not known. */
export function contentTree({ fileName, lengths, files }: Torrent): ContentFolder | undefined {
  if (!lengths) return undefined;
  const top = folder("");
  if (!files) {
    add(top, { kind: "file", name: fileName, index: 0, offset: 0, length: lengths.length });
    return top;
  }
  const own = enter(top, fileName);
  let offset = 0;
  for (const [index, { path, length }] of files.entries()) {
    const names = path.split("/");
    const name = names.pop()!;
    add(names.reduce(enter, own), { kind: "file", name, index, offset, length });
    offset += length;
  }
  return top;
}

/** The file or folder at these names; undefined if the torrent has none. Names match whatever their normal form. */
export function findContent(
  top: ContentFolder,
  names: readonly string[],
): ContentFile | ContentFolder | undefined {
  let found: ContentFile | ContentFolder | undefined = top;
  for (const name of names)
    found = found?.kind === "folder" ? found.entries.get(name.normalize("NFC")) : undefined;
  return found;
}

function folder(name: string): OpenFolder {
  return { kind: "folder", name, entries: new Map() };
}

function add({ entries }: OpenFolder, entry: ContentFile | OpenFolder): void {
  entries.set(entry.name.normalize("NFC"), entry);
}

function enter(parent: OpenFolder, name: string): OpenFolder {
  const there = parent.entries.get(name.normalize("NFC"));
  if (there?.kind === "folder") return there;
  const made = folder(name);
  add(parent, made);
  return made;
}
