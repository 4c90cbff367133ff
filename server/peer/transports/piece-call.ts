import type { Clock } from "#core/base/clock.ts";
import { PeerFailed, WrongPiece } from "#core/base/errors.ts";
import { MESSAGE_SLACK_BYTES } from "#core/rpc/call-limits.ts";
import { intField, lengthField } from "#core/rpc/wire.ts";

export interface PieceRequestMessage {
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  readonly number: number;
}

export interface PieceAnswerLimits {
  /** Bytes of the piece; its message may have 1 KiB more. */
  readonly pieceLength: number;
  readonly clock: Clock;
}

export const GET_PIECE_PATH = "/pieza.v1.PeerService/GetPiece";
/** A request fails when the peer sends no byte for this time. */
export const STALL_MS = 10_000;

/** Throws WrongPiece if a message of so many bytes cannot be the piece. */
export function checkMessageLength(bytes: number, pieceLength: number): void {
  if (bytes > pieceLength + MESSAGE_SLACK_BYTES) {
    throw new WrongPiece(`an answer of ${bytes} bytes for a piece of ${pieceLength}`);
  }
}

/** A GetPieceRequest in binary. */
export function requestMessage({ infoHash, number }: PieceRequestMessage): Uint8Array {
  return Uint8Array.from([...lengthField(1, infoHash), ...intField(2, number)]);
}

export function closedBy(url: string): PeerFailed {
  return new PeerFailed("unavailable", `${url} closed the connection`);
}

export function unreachable(url: string, cause: Error): PeerFailed {
  return new PeerFailed("unavailable", `cannot reach ${url}: ${cause.message}`, { cause });
}
