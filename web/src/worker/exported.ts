import type { Torrent } from "#core/torrent/torrent.ts";

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
