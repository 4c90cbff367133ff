import type { Torrent } from "#core/torrent/torrent.ts";
import type { OpenStore } from "./open-store.ts";

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

/** The downloaded files of a folder as Blobs backed by the store. Read one by one, because there may be many. */
export async function exportedFiles(
  torrent: Torrent,
  store: OpenStore,
  selected: readonly number[] | undefined,
): Promise<{ path: string; blob: Blob }[]> {
  const files: { path: string; blob: Blob }[] = [];
  for (const { path, start, end } of placedFiles(torrent, selected)) {
    files.push({ path, blob: await store.blob(start, end) });
  }
  return files;
}
