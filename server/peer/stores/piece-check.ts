import { StoreFailed } from "#core/base/errors.ts";
import { type Hasher, sha256 } from "#core/base/hash.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { PartFiles } from "./part-files.ts";

export interface PieceCheck {
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  readonly hasher: Hasher;
  /** Called with the bytes of each piece that was read and hashed. */
  readonly onChecked?: ((bytes: number) => void) | undefined;
  /** Ends the checking; the check then fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The piece's bytes, or undefined if they have another hash. Fails with StoreFailed if the files cannot be read. */
export async function readRight(
  { torrent, geometry, hasher, onChecked, signal }: PieceCheck,
  files: PartFiles,
  index: number,
): Promise<Uint8Array | undefined> {
  signal?.throwIfAborted();
  const piece = geometry.index(index);
  const bytes = await files.read(geometry.offset(piece), geometry.lengthOf(piece));
  const isRight = (await sha256(hasher, bytes)) === torrent.pieces[index];
  onChecked?.(bytes.length);
  return isRight ? bytes : undefined;
}

/** Like `readRight`; a piece that cannot be read counts as wrong. */
export async function findRight(
  check: PieceCheck,
  files: PartFiles,
  index: number,
): Promise<Uint8Array | undefined> {
  try {
    return await readRight(check, files, index);
  } catch (error) {
    if (error instanceof StoreFailed) return undefined;
    throw error;
  }
}
