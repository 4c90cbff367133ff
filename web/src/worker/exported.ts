import type { Torrent } from "#core/torrent/torrent.ts";
import type { Calls } from "../base/messages.ts";
import { renamedOf, safeName, windowsPaths } from "../base/safe-names.ts";
import { type ZipFile, zipOf } from "./storage/zip.ts";

/** A file of a torrent with its byte range in the concatenated files; `end` is exclusive. */
interface Placed {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** The downloaded files in torrent order. `selected` are file indexes; undefined means all. */
export function placedFiles(torrent: Torrent, selected: readonly number[] | undefined): readonly Placed[] {
  const wanted = selected && new Set(selected);
  let at = 0;
  const placed = (torrent.files ?? []).map(({ path, length }) => {
    const start = at;
    at += length;
    return { path, start, end: at };
  });
  return wanted ? placed.filter((_, index) => wanted.has(index)) : placed;
}

/** A folder as a zip. `forWindows`: with names that Windows can write. */
export async function zipOfDownload(
  name: string,
  files: readonly ZipFile[],
  forWindows: boolean,
): Promise<Calls["file"]["answer"]> {
  const paths = files.map(({ path }) => path);
  const given = forWindows ? windowsPaths(paths) : paths;
  const top = forWindows ? safeName(name) : name;
  const blob = await zipOf(files.map((file, n) => ({ ...file, path: `${top}/${given[n]!}` })));
  const renamed = renamedOf(paths.map((path, n) => [path, given[n]!] as const));
  return { blob, name: `${name}.zip`, renamed };
}
