import { PieceMap } from "#core/download/snapshot.ts";
import type { TorrentFile } from "#core/torrent/torrent.ts";

/**
 * How much of each of these files is held, 0 to 1, counted in the pieces that it touches: of the files at `indexes`, in
 * order, by index. An empty file is held.
 */
export function heldOfFiles(
  files: readonly TorrentFile[],
  indexes: readonly number[],
  pieceMap: Uint16Array,
  pieceLength: number,
): ReadonlyMap<number, number> {
  const held = new Map<number, number>();
  let [at, start] = [0, 0];
  for (const index of indexes) {
    while (at < index) start += files[at++]!.length;
    const [first, end] = [
      Math.floor(start / pieceLength),
      Math.ceil((start + files[index]!.length) / pieceLength),
    ];
    let count = 0;
    for (let piece = first; piece < end; piece++) if (PieceMap.isHeld(pieceMap[piece]!)) count++;
    held.set(index, files[index]!.length === 0 ? 1 : count / (end - first));
  }
  return held;
}
