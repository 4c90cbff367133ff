import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { InvalidField } from "#core/base/errors.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeDisk } from "../../peer/stores/disk.ts";

/**
 * Finds the piece length of a torrent in the legacy form, which does not state it, from the complete file at `path`:
 * of all lengths that give the right number of pieces, the one whose first piece has the right hash. Fails with
 * InvalidField if no length fits.
 */
export async function learnGeometry(torrent: Torrent, path: string): Promise<PieceGeometry> {
  const { size } = await stat(path);
  const count = torrent.pieces.length;
  if (count === 1) return new PieceGeometry(size, Math.max(1, size));
  const shortest = Math.max(1, Math.ceil(size / count));
  const longest = Math.ceil(size / (count - 1)) - 1;
  const first = await readFirst(path, Math.max(0, longest));
  const hash = createHash("sha256").update(first.subarray(0, shortest));
  for (let length = shortest; length <= longest; length++) {
    if (length > shortest) hash.update(first.subarray(length - 1, length));
    if (hash.copy().digest("hex") === torrent.pieces[0]) return new PieceGeometry(size, length);
  }
  throw new InvalidField("pieces", "no piece length fits this file: its size or its first piece is wrong");
}

async function readFirst(path: string, length: number): Promise<Uint8Array> {
  const file = nodeDisk.open(await realpath(path), "read");
  try {
    const bytes = new Uint8Array(length);
    await nodeDisk.read(file, bytes, 0);
    return bytes;
  } finally {
    nodeDisk.close(file);
  }
}
