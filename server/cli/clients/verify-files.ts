import { realpath } from "node:fs/promises";
import { basename } from "node:path";
import { sha256 } from "#core/base/hash.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { storeFailed } from "../../peer/stores/disk.ts";
import { FileMap } from "../../peer/stores/file-map.ts";
import { InPlaceFiles } from "../../peer/stores/in-place-files.ts";
import { learnGeometry } from "./learn-geometry.ts";

/** A piece whose hash is not that of the torrent. */
export interface WrongPieceFound {
  /** From 1. */
  readonly number: number;
  readonly expected: string;
  /** The SHA-256 of the bytes on disk; null if a file of the piece is missing or too short. */
  readonly found: string | null;
}

export interface Verification {
  readonly totalPieces: number;
  readonly wrongPieces: number;
  /** A sentence for each file that is missing or has the wrong size. */
  readonly wrongFiles: readonly string[];
}

/**
 * Checks a file or folder against its torrent and calls `onWrong` for every wrong piece. Fails with StoreFailed if
 * the disk fails, and with InvalidField if the piece length is neither stated nor found.
 */
export async function verifyFiles(
  torrent: Torrent,
  path: string,
  signal: AbortSignal,
  onWrong: (piece: WrongPieceFound) => void,
): Promise<Verification> {
  const geometry = geometryOf(torrent) ?? (await learnGeometry(torrent, path));
  const map = new FileMap(torrent.files, geometry.length);
  const root = await realpath(path).catch(() => path);
  const files = new InPlaceFiles(root, map, { followLinks: true });
  const sizes: (number | undefined)[] = [];
  let wrongPieces = 0;
  try {
    for (const n of map.files.keys()) sizes.push(await files.sizeOf(n));
    for (const index of geometry.indices()) {
      signal.throwIfAborted();
      const expected = torrent.pieces[index]!;
      const found = isThere(map, geometry, sizes, index) ? await hashOf(files, geometry, index) : null;
      if (found === expected) continue;
      wrongPieces++;
      onWrong({ number: index + 1, expected, found });
    }
  } catch (error) {
    throw signal.aborted ? error : storeFailed(`reading ${basename(path)}`, error);
  } finally {
    files.close();
  }
  const wrongFiles = map.files.flatMap((file, n) => problemOf(file.path || path, file.length, sizes[n]));
  return { totalPieces: geometry.count, wrongPieces, wrongFiles };
}

async function hashOf(files: InPlaceFiles, geometry: PieceGeometry, index: PieceIndex): Promise<string> {
  return sha256(nodeHasher, await files.read(geometry.offset(index), geometry.lengthOf(index)));
}

function isThere(
  map: FileMap,
  geometry: PieceGeometry,
  sizes: readonly (number | undefined)[],
  index: PieceIndex,
): boolean {
  const segments = [...map.segments(geometry.offset(index), geometry.lengthOf(index))];
  return segments.every(({ file, position, length }) => position + length <= (sizes[file] ?? -1));
}

function problemOf(path: string, expected: number, size: number | undefined): string[] {
  if (size === expected) return [];
  return [size === undefined ? `${path} is missing` : `${path} has ${size} bytes instead of ${expected}`];
}
