import { webCryptoHasher } from "#core/base/hash.ts";
import { createTorrent } from "#core/torrent/create-torrent.ts";
import { PieceGeometry, type PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent, TorrentFile } from "#core/torrent/torrent.ts";

/** A torrent and the bytes that it is of. */
export interface MadeTorrent {
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  /** All bytes, one file behind the other. */
  readonly whole: Uint8Array;
  /** The index of a piece, checked. */
  at(n: number): PieceIndex;
  /** A copy of a piece's bytes. */
  bytes(n: number): Uint8Array;
}

export interface MakeOptions {
  readonly length?: number;
  /** For a folder; its length is their sum. */
  readonly files?: readonly TorrentFile[];
  /** Default 16 KiB. */
  readonly pieceLength?: number;
  readonly fileName?: string;
  /** Other seeds, other bytes. */
  readonly seed?: number;
}

/** Makes bytes that repeat nowhere in a useful way, and their torrent. */
export async function makeTorrent(options: MakeOptions): Promise<MadeTorrent> {
  const { files, pieceLength = 16 << 10, fileName = "file.bin", seed = 1 } = options;
  const length = options.length ?? files?.reduce((sum, file) => sum + file.length, 0) ?? 0;
  const whole = noise(length, seed);
  const read = async (offset: number, count: number) => whole.slice(offset, offset + count);
  const torrent = await createTorrent({ fileName, length, files, pieceLength, read }, webCryptoHasher);
  const geometry = new PieceGeometry(length, pieceLength);
  const at = (n: number) => geometry.index(n);
  const bytes = (n: number) => {
    const offset = geometry.offset(at(n));
    return whole.slice(offset, offset + geometry.lengthOf(at(n)));
  };
  return { torrent, geometry, whole, at, bytes };
}

/** Bytes of a xorshift generator: the same for the same seed. */
export function noise(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let n = 0; n < words.length; n++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[n] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}
