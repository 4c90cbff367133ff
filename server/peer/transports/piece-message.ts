import type { PieceSink } from "#core/ports/peer.ts";

/** Tag of `bytes data = 1`: field 1, length-delimited. */
const DATA_TAG = 0x0a;
/** A length below 2^28 has at most four bytes; no piece comes near. */
const MAX_LENGTH_BYTES = 4;

/** The other end speaks correctly, but not in the one way that the short path reads. Nothing was handed on. */
export class UnusualAnswer extends Error {}

/** The bytes in front of a piece in a binary GetPieceResponse; none for an empty piece, as proto3 leaves it out. */
export function pieceMessagePrefix(length: number): Uint8Array {
  if (length === 0) return new Uint8Array(0);
  const prefix = [DATA_TAG];
  let rest = length;
  for (; rest >= 0x80; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80);
  return Uint8Array.from([...prefix, rest]);
}

/**
 * Takes the bytes of a binary GetPieceResponse as they come and hands the piece in them on, without putting it
 * together first. Throws UnusualAnswer if the message holds anything besides, and whatever the sink throws.
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

  /** `bytes`: at most `missing`. The sink may keep the caller waiting. */
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
