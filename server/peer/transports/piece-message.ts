import type { Clock } from "#core/base/clock.ts";
import { PeerFailed, WrongPiece } from "#core/base/errors.ts";
import type { PieceSink } from "#core/ports/peer.ts";
import { MESSAGE_SLACK_BYTES } from "#core/rpc/call-limits.ts";
import { intField, lengthField } from "#core/rpc/wire.ts";
import { UnusualAnswer } from "./unusual-answer.ts";

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
  // The peer's name leads where this program may not call.
  if (cause instanceof PeerFailed) return cause;
  return new PeerFailed("unavailable", `cannot reach ${url}: ${cause.message}`, { cause });
}

/** Tag of `bytes data = 1`: field 1, length-delimited. */
const DATA_TAG = 0x0a;
/** Bytes of a varint below 2^28, which is more than the length of any piece. */
const MAX_LENGTH_BYTES = 4;

/**
 * Takes the bytes of a binary GetPieceResponse in any cut and hands those of the piece to the sink without putting
 * them together. Throws UnusualAnswer for a message with other fields, and the sink's errors.
 */
export class PieceMessageReader {
  readonly #sink: PieceSink;
  readonly #messageLength: number;
  readonly #prefix: number[] = [];
  #seen = 0;
  #prefixed = false;

  /** `messageLength`: bytes of the whole message, as its frame says. */
  constructor(messageLength: number, sink: PieceSink) {
    this.#messageLength = messageLength;
    this.#sink = sink;
  }

  /** Bytes still to come. */
  get missing(): number {
    return this.#messageLength - this.#seen;
  }

  /** `bytes`: at most `missing`. Returns the sink's promise, if it wants the caller to wait. */
  read(bytes: Uint8Array): void | Promise<void> {
    let at = 0;
    while (!this.#prefixed && at < bytes.length) this.#readPrefix(bytes[at++]!);
    this.#seen += bytes.length;
    if (at < bytes.length) return this.#sink.write(at === 0 ? bytes : bytes.subarray(at));
  }

  #readPrefix(byte: number): void {
    const length = this.#prefix.push(byte);
    if (length === 1 && byte !== DATA_TAG) throw new UnusualAnswer("another field comes first");
    if (length > 1 + MAX_LENGTH_BYTES) throw new UnusualAnswer("the length does not end");
    if (length === 1 || byte & 0x80) return;
    const dataLength = this.#prefix.slice(1).reduce((sum, part, at) => sum | ((part & 0x7f) << (7 * at)), 0);
    if (length + dataLength !== this.#messageLength) throw new UnusualAnswer("other fields follow");
    this.#prefixed = true;
  }
}
