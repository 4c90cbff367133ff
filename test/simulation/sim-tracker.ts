import { Registry } from "prom-client";
import type { Random } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { Announced, LocateQuery, SwarmTable, Tracker } from "#core/ports/tracker.ts";
import { AddressPolicy } from "../../server/tracker/announce/address.ts";
import { Contest } from "../../server/tracker/announce/contest.ts";
import { Listings } from "../../server/tracker/announce/listings.ts";
import type {
  CheckedPeer,
  Reachability,
  ReachabilityCheck,
} from "../../server/tracker/announce/reachability.ts";
import { Registrar } from "../../server/tracker/announce/registrar.ts";
import { PeerSelector } from "../../server/tracker/locate/peer-selector.ts";
import { ReplicationMetrics } from "../../server/tracker/metrics/replication-metrics.ts";
import { Replicator } from "../../server/tracker/replication/replicator.ts";
import { FailureVotes } from "../../server/tracker/store/failure-votes.ts";
import { equalBytes } from "../../server/tracker/store/lease-secret.ts";
import { defaultTrackerLimits } from "../../server/tracker/store/limits.ts";
import { MemorySwarmStore } from "../../server/tracker/store/memory/memory-swarm-store.ts";
import type { Host, SimNet } from "./sim-net.ts";
import { SimProcess } from "./sim-process.ts";

const DIAL_MS = 2_000;

/** A peer as the tracker dials it. */
export interface DialledHost extends Host {
  /** What the process that runs there now proves to know. */
  readonly identifyKey: Uint8Array;
}

/** What is seen of a tracker's work from the outside. */
export interface TrackerWitness {
  /** The lease of the peer at `url` was renewed. */
  renewed(tracker: SimTracker, url: string): void;
  answered(tracker: SimTracker, table: SwarmTable): void;
  /** It knows nothing any more. */
  forgot(tracker: SimTracker): void;
}

export interface SimTrackerParts {
  readonly place: number;
  readonly net: SimNet;
  readonly random: Random;
  readonly hostAt: (url: string) => DialledHost | undefined;
  readonly witness: TrackerWitness;
}

/** The tracker's own logic on a simulated host, without the wire around it. */
export class SimTracker implements Host {
  readonly place: number;
  readonly url: string;
  readonly latencyMs = [1, 20] as const;
  readonly #parts: SimTrackerParts;
  #away = false;
  #state: ReturnType<typeof compose>;

  constructor(parts: SimTrackerParts) {
    this.#parts = parts;
    this.place = parts.place;
    this.url = `http://10.1.0.${parts.place}:50050`;
    this.#state = compose(this, parts);
  }

  get running(): object | undefined {
    return this.#away ? undefined : this.#state;
  }

  get store(): MemorySwarmStore {
    return this.#state.store;
  }

  goAway(): void {
    this.#away = true;
  }

  /** With all that it knew, or with nothing. */
  async comeBack(wiped: boolean): Promise<void> {
    if (wiped) {
      await this.close();
      this.#state = compose(this, this.#parts);
      this.#parts.witness.forgot(this);
    }
    this.#away = false;
  }

  async close(): Promise<void> {
    this.#state.closing.abort(new PiezaError("unavailable", "the tracker was closed"));
    await this.#state.listings.close();
    await this.#state.store.close();
  }

  /** As a process on `from` sees it. */
  seenFrom(from: Host & { readonly address: string }, process: SimProcess): Tracker {
    const { net, witness } = this.#parts;
    const call = <T>(signal: AbortSignal, serve: (state: ReturnType<typeof compose>) => Promise<T>) =>
      process.during([signal], (ended) => net.call(from, this, ended, () => serve(this.#state)));
    return {
      url: this.url,
      announce: (announce, signal) =>
        call(signal, async (state): Promise<Announced> => {
          const announced = await state.registrar.announce(announce, from.address, state.closing.signal);
          state.votes.report(announce.failures ?? [], announced.lease.id, from.address);
          if (state === this.#state) witness.renewed(this, announced.url);
          return announced;
        }),
      locate: (query, signal) =>
        call(signal, async (state) => {
          const table = await locate(state, query);
          if (state === this.#state) witness.answered(this, table);
          return table;
        }),
    };
  }
}

function compose(tracker: SimTracker, { net, random, hostAt }: SimTrackerParts) {
  const { clock } = net;
  const store = new MemorySwarmStore(clock);
  const addresses = new AddressPolicy({ own: "private", resolveHost: async () => [] });
  const closing = new AbortController();
  const reachability = dialBack(tracker, net, hostAt);
  const listings = new Listings({ store, reachability, clock, random });
  const contest = new Contest(store, reachability);
  const limits = defaultTrackerLimits;
  const metrics = new ReplicationMetrics(new Registry());
  const replicator = new Replicator({
    store,
    clock,
    limits,
    targets: { replicationTarget: 0, maxReplicationTarget: 0 },
    metrics,
  });
  const registrar = new Registrar({ store, addresses, contest, listings, replicator, limits, random });
  const votes = new FailureVotes(clock);
  return { store, listings, registrar, votes, selector: new PeerSelector(store, votes, random), closing };
}

/** Whoever answers at the URL shows its key; the wire's HMAC is left out. */
function dialBack(tracker: SimTracker, net: SimNet, hostAt: SimTrackerParts["hostAt"]): ReachabilityCheck {
  const process = new SimProcess(net.clock, () => {});
  const error = new PiezaError("deadline_exceeded", "it does not answer");
  const dial = (host: DialledHost, signal: AbortSignal) =>
    process.during([signal], (ended) => net.call(tracker, host, ended, async () => host.identifyKey), {
      ms: DIAL_MS,
      error,
    });
  return {
    async check({ url, identifyKey }: CheckedPeer, signal: AbortSignal): Promise<Reachability> {
      try {
        const shown = await dial(hostAt(url)!, signal);
        if (equalBytes(shown, identifyKey)) return { listed: true, reason: "", proven: true };
        return { listed: false, reason: "somebody else answers there", proven: false };
      } catch (problem) {
        signal.throwIfAborted();
        return { listed: false, reason: String(problem), proven: false };
      }
    },
  };
}

async function locate(
  { selector, store }: ReturnType<typeof compose>,
  query: LocateQuery,
): Promise<SwarmTable> {
  const { peers, turn } = await selector.select(query);
  return {
    peers: peers.map(({ url, bitfield }) => ({ url, bitfield: bitfield.clone() })),
    turn,
    trackerId: store.trackerId,
    nextLocateMs: defaultTrackerLimits.locateMs,
  };
}
