import type { IncomingHttpHeaders } from "node:http2";
import { type ErrorCode, PeerFailed } from "#core/base/errors.ts";
import type { PieceSink } from "#core/ports/peer.ts";
import { codeOfStatus, printable, retryHint } from "./connect-failure.ts";
import { checkMessageLength } from "./piece-call.ts";
import { PieceMessageReader, UnusualAnswer } from "./piece-message.ts";

/** In front of a gRPC message: flags, and its length in four bytes. */
const ENVELOPE_BYTES = 5;

/** By grpc-status. What we tell not apart from a peer that has died is that. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  3: "invalid_argument",
  4: "deadline_exceeded",
  5: "not_found",
  6: "already_exists",
  7: "permission_denied",
  8: "resource_exhausted",
  9: "failed_precondition",
  11: "out_of_range",
  12: "unimplemented",
  13: "internal",
  15: "data_loss",
  16: "unauthenticated",
};

/**
 * One answer to GetPiece over gRPC, as it comes: the piece goes on to the sink without being put together. Every method
 * throws what the answer means: PeerFailed, WrongPiece, UnusualAnswer, or what the sink threw.
 */
export class GrpcAnswer {
  readonly #sink: PieceSink;
  readonly #pieceLength: number;
  readonly #envelope: number[] = [];
  #message: PieceMessageReader | undefined;
  #status: IncomingHttpHeaders | undefined;

  constructor(sink: PieceSink, pieceLength: number) {
    this.#sink = sink;
    this.#pieceLength = pieceLength;
  }

  onHead(headers: IncomingHttpHeaders): void {
    const status = Number(headers[":status"]);
    if (status !== 200) throw new PeerFailed(codeOfStatus(status), `HTTP ${status}`);
    if (!headers["content-type"]?.startsWith("application/grpc"))
      throw new PeerFailed("unavailable", "answered with something else");
    // An answer without a message may consist of nothing else.
    if (headers["grpc-status"] !== undefined) this.#status = headers;
  }

  onData(bytes: Uint8Array): void | Promise<void> {
    let at = 0;
    while (!this.#message && at < bytes.length) this.#readEnvelope(bytes[at++]!);
    if (!this.#message || at === bytes.length) return;
    const rest = at === 0 ? bytes : bytes.subarray(at);
    if (rest.length > this.#message.missing)
      throw new PeerFailed("internal", "more bytes than the answer has");
    return this.#message.read(rest);
  }

  onTrailers(trailers: IncomingHttpHeaders): void {
    this.#status = trailers;
  }

  /** Nothing more comes. */
  end(): void {
    const status = this.#status?.["grpc-status"];
    if (this.#status && status !== "0") throw failureOf(this.#status);
    if (status !== "0" || this.#message?.missing !== 0)
      throw new PeerFailed("unavailable", "the answer broke off");
  }

  #readEnvelope(byte: number): void {
    if (this.#envelope.push(byte) < ENVELOPE_BYTES) return;
    const envelope = Buffer.from(this.#envelope);
    const length = envelope.readUInt32BE(1);
    checkMessageLength(length, this.#pieceLength);
    if (envelope[0] !== 0) throw new UnusualAnswer("compressed");
    this.#message = new PieceMessageReader(length, this.#sink);
  }
}

function failureOf(trailers: IncomingHttpHeaders): PeerFailed {
  const headers = new Map(Object.entries(trailers).map(([name, value]) => [name, String(value)]));
  const code = CODES[headers.get("grpc-status") ?? ""] ?? "unavailable";
  return new PeerFailed(code, messageIn(headers.get("grpc-message") ?? ""), retryHint(code, headers));
}

function messageIn(encoded: string): string {
  try {
    return printable(decodeURIComponent(encoded));
  } catch {
    return printable(encoded);
  }
}
