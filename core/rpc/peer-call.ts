import type { CallOptions, Transport } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import { PeerFailed, WrongPiece } from "../base/errors.ts";
import type { PieceSink } from "../ports/peer.ts";
import type { PieceIndex } from "../torrent/piece.ts";
import { calling, type RemoteOptions } from "./call.ts";
import { CALL_GRACE_MS, callDeadlineMs, MESSAGE_SLACK_BYTES } from "./call-limits.ts";
import { telling } from "./coming.ts";
import { AnswerTooLong, toPeerFailed } from "./errors.ts";

/** The needs of every client of one peer. */
export interface PeerClientOptions extends RemoteOptions {
  /** Must refuse messages over 64 KiB (a bitfield) or the longest piece and 1 KiB before they are in memory. */
  readonly transport: Transport;
  /** Bytes of a piece; while that is not known, the longest that it can be. */
  readonly pieceLength: (index: PieceIndex) => number;
  readonly clock: Clock;
  /** Closes the transport. */
  readonly close?: (() => void) | undefined;
}

/** Calls to one peer. Its signal, its deadline or `close` ends each; they fail as RemotePeer says. */
export class PeerCalls {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #onClose: (() => void) | undefined;
  readonly #closed = new AbortController();

  constructor(url: string, clock: Clock, onClose?: () => void) {
    this.#url = url;
    this.#clock = clock;
    this.#onClose = onClose;
  }

  small<T>(signal: AbortSignal, run: (options: CallOptions) => Promise<T>): Promise<T> {
    return this.#call(signal, CALL_GRACE_MS, run);
  }

  /** A call whose answer is a piece of `length` bytes, passed to `sink` in one write and then to `release`. */
  async piece(
    length: number,
    sink: PieceSink,
    signal: AbortSignal,
    run: (options: CallOptions) => Promise<{ data: Uint8Array }>,
    release?: (data: Uint8Array) => void,
  ): Promise<void> {
    const ask = (options: CallOptions) => run({ ...options, contextValues: telling(sink) });
    const { data } = await this.#call(signal, callDeadlineMs(length), ask).catch((error) => {
      throw error instanceof AnswerTooLong ? tooLong(length, error) : error;
    });
    if (data.length > length + MESSAGE_SLACK_BYTES) throw tooLong(length);
    await sink.write(data);
    release?.(data);
  }

  upload<T>(length: number, signal: AbortSignal, run: (options: CallOptions) => Promise<T>): Promise<T> {
    return this.#call(signal, callDeadlineMs(length), run);
  }

  close(): void {
    this.#closed.abort(new PeerFailed("unavailable", `the connection to ${this.#url} was closed`));
    this.#onClose?.();
  }

  async #call<T>(signal: AbortSignal, deadlineMs: number, run: (options: CallOptions) => Promise<T>) {
    const late = new AbortController();
    const closed = this.#closed.signal;
    const cancel = this.#clock.after(deadlineMs, () => {
      late.abort(new PeerFailed("deadline_exceeded", `no answer from ${this.#url} in ${deadlineMs} ms`));
    });
    const either = AbortSignal.any([signal, late.signal, closed]);
    try {
      // timeoutMs tells the peer when we give up. Our own clock enforces the deadline.
      return await calling(
        signal,
        () => run({ signal: either, timeoutMs: deadlineMs }),
        (error) => toPeerFailed(late.signal.aborted || closed.aborted ? either.reason : error),
      );
    } finally {
      cancel();
    }
  }
}

function tooLong(length: number, cause?: unknown): WrongPiece {
  return new WrongPiece(`the answer is too long for a piece of ${length} bytes`, { cause });
}
