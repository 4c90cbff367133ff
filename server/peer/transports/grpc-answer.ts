import type { IncomingHttpHeaders } from "node:http2";
import { PeerFailed } from "#core/base/errors.ts";
import type { PieceSink } from "#core/ports/peer.ts";
import { errorCodeOf } from "#core/rpc/errors.ts";
import { oneLine, retryAfterMsOf } from "#core/rpc/remote-failure.ts";
import { FRAME_HEAD_BYTES, readFrameHead } from "#core/rpc/wire.ts";
import { codeOfStatus } from "./connect-failure.ts";
import { checkMessageLength, PieceMessageReader } from "./piece-message.ts";
import { UnusualAnswer } from "./unusual-answer.ts";

/**
 * Reads one gRPC answer to GetPiece as it arrives and hands the piece to the sink without putting it together. Every
 * method throws the failure that the answer means: PeerFailed, WrongPiece, UnusualAnswer or the sink's error.
 */
export class GrpcAnswer {
  readonly #sink: PieceSink;
  readonly #pieceLength: number;
  readonly #frameHead: number[] = [];
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
      throw new PeerFailed("unavailable", "the peer's answer is not gRPC");
    // "Trailers-Only" in the gRPC protocol: an answer without a message has its status in its only head.
    if (headers["grpc-status"] !== undefined) this.#status = headers;
  }

  onData(bytes: Uint8Array): void | Promise<void> {
    let at = 0;
    while (!this.#message && at < bytes.length) this.#readFrameHead(bytes[at++]!);
    if (!this.#message || at === bytes.length) return;
    const rest = at === 0 ? bytes : bytes.subarray(at);
    if (rest.length > this.#message.missing)
      throw new PeerFailed("internal", "more bytes than the answer has");
    return this.#message.read(rest);
  }

  onTrailers(trailers: IncomingHttpHeaders): void {
    this.#status = trailers;
  }

  /** Is called when the stream has closed. Throws unless the piece is whole and the status is 0. */
  end(): void {
    const status = this.#status?.["grpc-status"];
    if (this.#status && status !== "0") throw failureOf(this.#status);
    if (status !== "0" || this.#message?.missing !== 0)
      throw new PeerFailed("unavailable", "the answer broke off");
  }

  #readFrameHead(byte: number): void {
    if (this.#frameHead.push(byte) < FRAME_HEAD_BYTES) return;
    const { flags, length } = readFrameHead(Uint8Array.from(this.#frameHead));
    checkMessageLength(length, this.#pieceLength);
    if (flags !== 0) throw new UnusualAnswer("compressed");
    this.#message = new PieceMessageReader(length, this.#sink);
  }
}

function failureOf(trailers: IncomingHttpHeaders): PeerFailed {
  const headers = new Map(Object.entries(trailers).map(([name, value]) => [name, String(value)]));
  const code = errorCodeOf(Number(headers.get("grpc-status")));
  const message = messageIn(headers.get("grpc-message") ?? "");
  return new PeerFailed(code, message, { retryAfterMs: retryAfterMsOf(code, headers) });
}

function messageIn(encoded: string): string {
  try {
    return oneLine(decodeURIComponent(encoded));
  } catch {
    return oneLine(encoded);
  }
}
