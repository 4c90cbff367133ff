import { createClient } from "@connectrpc/connect";
import { type Clock, sleep } from "#core/base/clock.ts";
import { PeerService } from "#gen/tracker_pb.ts";
import { openTransport } from "../../http/client/transports.ts";
import type { FairSlots } from "../announce/fair-slots.ts";
import type { TrackerLimits } from "../store/limits.ts";
import type { DeclaredFile, LegacyPeer, PeerLease, SwarmStore } from "../store/swarm-store.ts";

/** A peer that does not answer within this time counts as gone. */
const ANSWER_MS = 2_000;
const MAX_ANSWER_BYTES = 1 << 10;
/**
 * The pauses before a new peer is asked: 0.2, 0.5, 1, 2 and 4 s after its registration if it refuses at once. It
 * registers before it listens.
 */
const FIRST_PAUSES_MS = [200, 300, 500, 1_000, 2_000];

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

/** What a legacy peer is asked. */
interface Question {
  readonly url: string;
  readonly fileName: string;
  readonly number: number;
}

/**
 * Decides which legacy peers are named to others: those that have answered. A new peer is asked soon, several times.
 * After that all are asked in rounds, because they send no heartbeat: a peer that has the piece it declared is listed
 * and gets its lease's full time again; any other is dropped, but not in the first round after its registration.
 *
 * It dials only registered addresses, which the tracker's policy allows.
 */
export class LegacyProber {
  readonly #parts: LegacyProberParts;
  readonly #closing = new AbortController();
  /** Leases that were there when the last round began and have not registered since. */
  #known = new Set<string>();
  /** Ends the first questions to a peer, by lease id. */
  readonly #newcomers = new Map<string, AbortController>();
  readonly #underWay = new Set<Promise<void>>();
  #cancel: (() => void) | undefined;
  #round: Promise<void> | undefined;

  constructor(parts: LegacyProberParts) {
    this.#parts = parts;
  }

  /** A peer has registered these files, for the first time or again. */
  onRegistered(lease: PeerLease, files: readonly DeclaredFile[]): void {
    this.#known.delete(lease.id);
    this.#newcomers.get(lease.id)?.abort();
    const question = questionOf(lease.url, files);
    if (question) this.#welcome(lease, question);
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
    await Promise.all([...this.#underWay, this.#round]);
  }

  #welcome(lease: PeerLease, question: Question): void {
    const over = new AbortController();
    this.#newcomers.set(lease.id, over);
    const signal = AbortSignal.any([this.#closing.signal, over.signal]);
    const done = this.#askNewcomer(lease, question, signal)
      // It registered again, the tracker was closed, or the store failed: the rounds go on.
      .catch(() => {})
      .then(() => {
        if (this.#newcomers.get(lease.id) === over) this.#newcomers.delete(lease.id);
        this.#underWay.delete(done);
      });
    this.#underWay.add(done);
  }

  /** Lists the peer with its first answer. Without any, one that was listed before its registration is no longer. */
  async #askNewcomer({ id, source }: PeerLease, question: Question, signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#parts;
    for (const pauseMs of FIRST_PAUSES_MS) {
      await sleep(clock, pauseMs, signal);
      if (!(await store.find(id))) return;
      const has = await this.#ask(source, question, signal);
      signal.throwIfAborted();
      if (has) return void (await store.renew(id, LISTED));
    }
    await store.renew(id, { listed: false, notListedReason: "it does not answer HasPiece" });
  }

  /** Returns whether there are legacy peers. */
  async #probeAll(): Promise<boolean> {
    const { store, limits } = this.#parts;
    const peers = await store.legacyPeers();
    const before = this.#known;
    this.#known = new Set(peers.map(({ leaseId }) => leaseId));
    const due = peers.filter(({ leaseId }) => !this.#newcomers.has(leaseId)).values();
    const dial = async () => {
      for (const peer of due) await this.#probe(peer, before.has(peer.leaseId));
    };
    await Promise.allSettled(Array.from({ length: limits.maxDials }, dial));
    return peers.length > 0;
  }

  async #probe({ leaseId, url, listed, files }: LegacyPeer, wasKnown: boolean): Promise<void> {
    const question = questionOf(url, files);
    if (!question) return;
    const { store } = this.#parts;
    const { signal } = this.#closing;
    const has = await this.#ask("legacy peers", question, signal);
    if (has) await store.renew(leaseId, listed ? undefined : LISTED);
    else if (wasKnown && this.#known.has(leaseId) && !signal.aborted) await store.end(leaseId);
  }

  #ask(source: string, { url, fileName, number }: Question, signal: AbortSignal): Promise<boolean> {
    const { slots, hasPiece } = this.#parts;
    return slots.run(source, signal, () => hasPiece(url, fileName, number, signal));
  }
}

const LISTED = { listed: true, notListedReason: "" };

/** Undefined if the peer has declared no piece. */
function questionOf(url: string, files: readonly DeclaredFile[]): Question | undefined {
  const file = files.find(({ pieces }) => pieces.length > 0);
  return file && { url, fileName: file.fileName, number: file.pieces[0]!.number };
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
