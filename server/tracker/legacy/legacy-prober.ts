import { createClient } from "@connectrpc/connect";
import type { Clock } from "#core/base/clock.ts";
import { PeerService } from "#gen/tracker_pb.ts";
import { openTransport } from "../../http/client/transports.ts";
import type { FairSlots } from "../announce/fair-slots.ts";
import type { TrackerLimits } from "../store/limits.ts";
import type { LegacyPeer, SwarmStore } from "../store/swarm-store.ts";

/** A peer that does not answer within this time counts as gone. */
const ANSWER_MS = 2_000;
const MAX_ANSWER_BYTES = 1 << 10;

/** Asks a legacy peer whether it has a piece. False if it cannot be reached. Never throws. */
export type HasPiece = (
  url: string,
  fileName: string,
  number: number,
  signal: AbortSignal,
) => Promise<boolean>;

export interface LegacyProberParts {
  readonly store: SwarmStore;
  readonly clock: Clock;
  readonly limits: Pick<TrackerLimits, "legacyProbeMs" | "maxDials">;
  /** Limits all dials of the tracker together. */
  readonly slots: FairSlots;
  readonly hasPiece: HasPiece;
}

/**
 * Checks the registrations of legacy peers, which send no heartbeat. In each round it asks each peer for a piece that
 * the peer declared. A peer that has it gets its lease's full time again; any other is dropped.
 *
 * It dials only registered addresses, which the tracker's policy allows. It skips a peer in the first round after its
 * registration, because the ancestor's peer registers before it listens.
 */
export class LegacyProber {
  readonly #parts: LegacyProberParts;
  readonly #closing = new AbortController();
  /** Leases that were there when the last round began and have not registered since. */
  #known = new Set<string>();
  #cancel: (() => void) | undefined;
  #round: Promise<void> | undefined;

  constructor(parts: LegacyProberParts) {
    this.#parts = parts;
  }

  /** A peer has registered, for the first time or again. No answer before the next round counts against it. */
  onRegistered(leaseId: string): void {
    this.#known.delete(leaseId);
    this.start();
  }

  /** Starts the rounds, because there may be legacy peers. They stop when there are none. */
  start(): void {
    if (this.#closing.signal.aborted || this.#cancel || this.#round) return;
    const { clock, limits } = this.#parts;
    this.#cancel = clock.after(limits.legacyProbeMs, () => {
      this.#cancel = undefined;
      // The store failed: it may still have peers, so the rounds go on.
      this.#round = this.#probeAll()
        .catch(() => true)
        .then((goOn) => {
          this.#round = undefined;
          if (goOn) this.start();
        });
    });
  }

  /** Ends every dial. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the tracker was closed"));
    this.#cancel?.();
    await this.#round;
  }

  /** Returns whether there are legacy peers. */
  async #probeAll(): Promise<boolean> {
    const { store, slots, limits } = this.#parts;
    const peers = await store.legacyPeers();
    const due = peers.filter(({ leaseId }) => this.#known.has(leaseId)).values();
    this.#known = new Set(peers.map(({ leaseId }) => leaseId));
    const { signal } = this.#closing;
    const dial = async () => {
      for (const peer of due) await slots.run("legacy peers", signal, () => this.#probe(peer));
    };
    await Promise.allSettled(Array.from({ length: limits.maxDials }, dial));
    return peers.length > 0;
  }

  async #probe({ leaseId, url, files }: LegacyPeer): Promise<void> {
    const file = files.find(({ pieces }) => pieces.length > 0);
    if (!file) return;
    const { store, hasPiece } = this.#parts;
    const { signal } = this.#closing;
    if (await hasPiece(url, file.fileName, file.pieces[0]!.number, signal)) await store.renew(leaseId);
    else if (this.#known.has(leaseId) && !signal.aborted) await store.end(leaseId);
  }
}

/** Asks over gRPC, which every peer of the legacy contract speaks. */
export const dialHasPiece: HasPiece = async (url, fileName, pieceNumber, signal) => {
  const { transport, close } = openTransport(url, "grpc", {
    readMaxBytes: MAX_ANSWER_BYTES,
    stallMs: ANSWER_MS,
    direct: true,
  });
  try {
    const client = createClient(PeerService, transport);
    const { hasPiece } = await client.hasPiece({ fileName, pieceNumber }, { signal, timeoutMs: ANSWER_MS });
    return hasPiece;
  } catch {
    return false;
  } finally {
    close();
  }
};
