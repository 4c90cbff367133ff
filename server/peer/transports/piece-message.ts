import type { PieceSink } from "#core/ports/peer.ts";
import { lengthPrefix } from "#core/rpc/wire.ts";
import { UnusualAnswer } from "./unusual-answer.ts";

/** Tag of `bytes data = 1`: field 1, length-delimited. */
const DATA_TAG = 0x0a;
/** Bytes of a varint below 2^28, which is more than the length of any piece. */
const MAX_LENGTH_BYTES = 4;

/** The bytes in front of a piece in a binary GetPieceResponse; none for an empty piece, as proto3 leaves it out. */
export function pieceMessagePrefix(length: number): Uint8Array {
  return Uint8Array.from(length === 0 ? [] : lengthPrefix(1, length));
}

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
