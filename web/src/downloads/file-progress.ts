import { PieceMap } from "#core/download/snapshot.ts";
import type { TorrentFile } from "#core/torrent/torrent.ts";

/**
 * The held part of each file, 0 to 1, by file index. `indexes` are the files asked for, sorted. The part is counted
 * in the pieces that a file touches; an empty file is held.
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
