import { InvalidField, PiezaError } from "../base/errors.ts";
import { type Hasher, sha256 } from "../base/hash.ts";
import { bitTorrentOf } from "./bittorrent.ts";
import { automaticPieceLength, MAX_PIECES, PieceGeometry, type PieceIndex, pieceNumber } from "./piece.ts";
import type { Torrent } from "./torrent.ts";
import { checkPieceLength, HASH_OF_NOTHING, parseTorrent, torrentText } from "./torrent-json.ts";
import { checkTrackers } from "./torrent-remarks.ts";

/** Pieces read and hashed at once: reading overlaps hashing, and memory stays at four pieces (64 MiB at the most). */
const PIECES_IN_FLIGHT = 4;

/** The bytes to cut into pieces (of a folder those of its `files`, in order), and the torrent's other fields. */
export interface TorrentDraft
  extends Pick<Torrent, "fileName" | "files" | "comment" | "createdAt" | "replicationTarget"> {
  /** Bytes of the file, or of all files of the folder together. */
  readonly length: number;
  /** Reads exactly `length` bytes from `offset`. Up to four calls run at once. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Bytes: a power of two from 16 KiB to 16 MiB. Default: automaticPieceLength. */
  readonly pieceLength?: number | undefined;
  readonly trackers?: readonly string[] | undefined;
}

export interface CreateTorrentOptions {
  /** Makes the SHA-1 of a piece in hex, for BitTorrent clients. Default: the torrent has none. */
  readonly sha1?: ((piece: Uint8Array) => string) | undefined;
  /** Called after each piece with the bytes hashed so far, of all. */
  readonly onProgress?: ((hashedBytes: number, totalBytes: number) => void) | undefined;
  /** Stops the work before its next piece; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a torrent from a source of bytes. Checks every field before it reads. Fails with InvalidField, with
 * failed_precondition if the source has another length, or with the error of `read`; then no read is under way any
 * more.
 */
export async function createTorrent(
  draft: TorrentDraft,
  hasher: Hasher,
  options: CreateTorrentOptions = {},
): Promise<Torrent> {
  const geometry = geometryOf(draft);
  checkTrackers(draft.trackers);
  const blank = new Array<string>(geometry.count).fill(HASH_OF_NOTHING);
  const sha1s = options.sha1 && new Array<string>(geometry.count).fill("0".repeat(40));
  torrentText(await parseTorrent(jsonOf(draft, geometry, blank, sha1s), hasher));
  const hashes = await hashPieces(draft, geometry, hasher, options, sha1s);
  return parseTorrent(jsonOf(draft, geometry, hashes, sha1s), hasher);
}

function geometryOf(draft: TorrentDraft): PieceGeometry {
  const pieceLength = checkPieceLength(draft.pieceLength ?? automaticPieceLength(draft.length));
  const geometry = new PieceGeometry(draft.length, pieceLength);
  if (geometry.count > MAX_PIECES)
    throw new InvalidField("piece_length", `makes ${geometry.count} pieces, but ${MAX_PIECES} is the limit`);
  return geometry;
}

function jsonOf(
  draft: TorrentDraft,
  geometry: PieceGeometry,
  hashes: readonly string[],
  sha1s: readonly string[] | undefined,
): unknown {
  return {
    file_name: draft.fileName,
    total_pieces: geometry.count,
    length: geometry.length,
    piece_length: geometry.pieceLength,
    files: draft.files,
    trackers: draft.trackers,
    comment: draft.comment,
    created_at: draft.createdAt,
    replication_target: draft.replicationTarget,
    bittorrent: sha1s && { piece_sha1: bitTorrentOf(sha1s).pieceSha1 },
    pieces: [...geometry.indices()].map((index) => ({ number: pieceNumber(index), hash: hashes[index] })),
  };
}

async function hashPieces(
  draft: TorrentDraft,
  geometry: PieceGeometry,
  hasher: Hasher,
  { onProgress, signal, sha1 }: CreateTorrentOptions,
  sha1s: string[] = [],
): Promise<string[]> {
  const hashes = new Array<string>(geometry.count);
  const indices = geometry.indices();
  let hashedBytes = 0;
  // All workers draw from one generator. The first failure closes it; the others end with their current piece.
  const work = async () => {
    for (const index of indices) {
      signal?.throwIfAborted();
      const bytes = await readPiece(draft, geometry, index);
      if (sha1) sha1s[index] = sha1(bytes);
      hashes[index] = await sha256(hasher, bytes);
      hashedBytes += geometry.lengthOf(index);
      onProgress?.(hashedBytes, draft.length);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: PIECES_IN_FLIGHT }, work));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed) throw failed.reason;
  return hashes;
}

async function readPiece(draft: TorrentDraft, geometry: PieceGeometry, index: PieceIndex) {
  const length = geometry.lengthOf(index);
  const bytes = await draft.read(geometry.offset(index), length);
  if (bytes.length !== length)
    throw new PiezaError("failed_precondition", `${draft.fileName}: its length changed while it was read`);
  return bytes;
}
