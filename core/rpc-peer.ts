import { type CallOptions, createClient, type Transport } from "@connectrpc/connect";
import { PeerService } from "../gen/pieza/v1/peer_pb.ts";
import { Bitfield } from "./bitfield.ts";
import type { Clock } from "./clock.ts";
import { PeerFailed, WrongPiece } from "./errors.ts";
import type { RemotePeer } from "./peer.ts";
import { type PieceIndex, pieceNumber } from "./piece.ts";
import { calling } from "./rpc-call.ts";
import { AnswerTooLong, toPeerFailed } from "./rpc-errors.ts";
import type { SwarmKey } from "./tracker.ts";

/** A deadline that no honest link misses: this long for the answer to begin and end ... */
const GRACE_MS = 30_000;
/** ... and as long as its bytes need at this rate. */
const MIN_BYTES_PER_SECOND = 8 << 10;
/** Room for what is around a piece in its message. */
const MESSAGE_SLACK_BYTES = 1 << 10;

export interface RemotePeerOptions {
  /** Scheme, host and port. */
  readonly url: string;
  /** "grpc", "grpc-web" or "connect", for display. */
  readonly transportName: string;
  /** Must refuse messages over the longest piece and 1 KiB, or 64 KiB, before it has them in memory. */
  readonly transport: Transport;
  readonly swarm: SwarmKey;
  /** Bytes of a piece, or the most that it can have where that is not known yet. */
  readonly pieceLength: (index: PieceIndex) => number;
  readonly clock: Clock;
  /** Closes the transport. */
  readonly close?: (() => void) | undefined;
}

/** A peer behind a Connect transport of any kind: the library assembles each piece, then the sink gets it in one write. */
export function remotePeer(options: RemotePeerOptions): RemotePeer {
  const { url, swarm, clock } = options;
  const client = createClient(PeerService, options.transport);
  const closed = new AbortController();

  /** One call with a deadline, ended by `signal`, by the deadline or by close(). */
  async function call<T>(signal: AbortSignal, deadlineMs: number, run: (options: CallOptions) => Promise<T>) {
    const late = new AbortController();
    const cancel = clock.after(deadlineMs, () => {
      late.abort(new PeerFailed("deadline_exceeded", `no answer from ${url} in ${deadlineMs} ms`));
    });
    const either = AbortSignal.any([signal, late.signal, closed.signal]);
    try {
      // timeoutMs tells the peer when we give up; the clock is what we go by.
      return await calling(
        signal,
        () => run({ signal: either, timeoutMs: deadlineMs }),
        (error) => toPeerFailed(late.signal.aborted || closed.signal.aborted ? either.reason : error),
      );
    } finally {
      cancel();
    }
  }

  return {
    url,
    transport: options.transportName,
    async getBitfield(signal) {
      const answer = await call(signal, GRACE_MS, (callOptions) =>
        client.getBitfield({ infoHash: swarm.infoHash }, callOptions),
      );
      return bitfieldOf(answer, swarm);
    },
    async getPiece(index, sink, signal) {
      const length = options.pieceLength(index);
      const deadlineMs = Math.ceil((length / MIN_BYTES_PER_SECOND) * 1000) + GRACE_MS;
      const { data } = await call(signal, deadlineMs, (callOptions) =>
        client.getPiece({ infoHash: swarm.infoHash, number: pieceNumber(index) }, callOptions),
      ).catch((error) => {
        throw error instanceof AnswerTooLong ? tooLong(length, error) : error;
      });
      if (data.length > length + MESSAGE_SLACK_BYTES) throw tooLong(length);
      await sink.write(data);
    },
    close() {
      closed.abort(new PeerFailed("unavailable", `the connection to ${url} was closed`));
      options.close?.();
    },
  };
}

function tooLong(length: number, cause?: unknown): WrongPiece {
  return new WrongPiece(`the answer is too long for a piece of ${length} bytes`, { cause });
}

function bitfieldOf(
  answer: { totalPieces: number; complete: boolean; bitfield: Uint8Array },
  { totalPieces }: SwarmKey,
): Bitfield {
  if (answer.totalPieces !== totalPieces) {
    throw new PeerFailed(
      "failed_precondition",
      `the peer's torrent has ${answer.totalPieces} pieces, not ${totalPieces}`,
    );
  }
  try {
    return answer.complete ? Bitfield.full(totalPieces) : Bitfield.fromBytes(totalPieces, answer.bitfield);
  } catch (error) {
    throw toPeerFailed(error);
  }
}
