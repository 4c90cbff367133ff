import type { Clock } from "#core/base/clock.ts";
import { PeerFailed, type PiezaError, WrongPiece } from "#core/base/errors.ts";

export interface PieceRequestMessage {
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  readonly number: number;
}

export interface PieceAnswerLimits {
  /** Bytes of the piece; an answer may have 1 KiB more. */
  readonly pieceLength: number;
  readonly clock: Clock;
}

export const GET_PIECE_PATH = "/pieza.v1.PeerService/GetPiece";
/** No byte for so long ends a request. */
export const STALL_MS = 10_000;
/** In all a request may take this and the time that its bytes need at 8 KiB/s. */
const GRACE_MS = 30_000;
const MIN_BYTES_PER_SECOND = 8 << 10;
/** Room for what is around a piece in its message. */
const MESSAGE_SLACK_BYTES = 1 << 10;

/** Milliseconds that a request for a piece of so many bytes may take in all. */
export function deadlineMsOf(pieceLength: number): number {
  return Math.ceil((pieceLength / MIN_BYTES_PER_SECOND) * 1000) + GRACE_MS;
}

/** Throws WrongPiece if a message of so many bytes cannot be the piece. */
export function checkMessageLength(bytes: number, pieceLength: number): void {
  if (bytes > pieceLength + MESSAGE_SLACK_BYTES) {
    throw new WrongPiece(`an answer of ${bytes} bytes for a piece of ${pieceLength}`);
  }
}

/** A GetPieceRequest: info hash as field 1, number as field 2. */
export function requestMessage({ infoHash, number }: PieceRequestMessage): Buffer {
  const bytes = [0x0a, infoHash.length, ...Buffer.from(infoHash, "latin1"), 0x10];
  let rest = number;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

export function unreachable(url: string, cause: Error): PiezaError {
  return new PeerFailed("unavailable", `cannot reach ${url}: ${cause.message}`, { cause });
}
