import type { Clock, Random } from "#core/base/clock.ts";
import type { PlanCaps } from "#core/replication/input.ts";
import { TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { TrackerService as LegacyTrackerService } from "#gen/tracker_pb.ts";
import { nodeClock } from "../base/node-clock.ts";
import { AnswerRate } from "../http/guards/answer-rate.ts";
import { served } from "../http/handling/served-service.ts";
import { type EdgeOptions, startServer } from "../http/listening/server.ts";
import { AddressPolicy, classOfHost } from "./announce/address.ts";
import { AnnounceCall } from "./announce/announce.ts";
import { Contest } from "./announce/contest.ts";
import { DialBack } from "./announce/dial-back.ts";
import { type ResolveHost, systemResolveHost } from "./announce/dns.ts";
import { FairSlots } from "./announce/fair-slots.ts";
import { Listings } from "./announce/listings.ts";
import { EventLoopDelay, Overload } from "./announce/overload.ts";
import type { ReachabilityCheck } from "./announce/reachability.ts";
import { Registrar } from "./announce/registrar.ts";
import { FilePiecesCall } from "./legacy/file-pieces-call.ts";
import { dialHasPiece, type HasPiece, LegacyProber } from "./legacy/legacy-prober.ts";
import { LegacyRegistrar } from "./legacy/legacy-registrar.ts";
import { legacyTrackerPolicies, legacyTrackerService } from "./legacy/legacy-service.ts";
import { AnswerCache } from "./locate/answer-cache.ts";
import { LocateCall } from "./locate/locate-call.ts";
import { PeerSelector } from "./locate/peer-selector.ts";
import { TrackerMetrics } from "./metrics/metrics.ts";
import { ReplicationMetrics } from "./metrics/replication-metrics.ts";
import { Replicator, type ReplicatorParts } from "./replication/replicator.ts";
import { trackerPolicies, trackerService } from "./service.ts";
import { FailureVotes } from "./store/failure-votes.ts";
import { defaultTrackerLimits, type TrackerLimits } from "./store/limits.ts";
import { MemorySwarmStore } from "./store/memory/memory-swarm-store.ts";
import { limitsFor, machineMemory, memoryOf } from "./store/memory-limits.ts";
import type { RedisSwarmStore } from "./store/redis/redis-swarm-store.ts";
import { trackerPages } from "./tracker-pages.ts";

export interface TrackerOptions extends EdgeOptions {
  /** Networks (CIDR) whose addresses peers may have besides those of the tracker's own class. Default none. */
  readonly allowNetworks?: readonly string[] | undefined;
  /** Networks (CIDR) of proxies in front of this tracker. Default none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Certificates in PEM to trust besides the system's when the tracker calls peers back. */
  readonly ca?: string | undefined;
  /** URL of the Redis that keeps the state (`redis://...` or `rediss://...`). Default: this process keeps it. */
  readonly store?: string | undefined;
  /** Copies of every piece of a torrent without a replication target; 0: none. Default 0. */
  readonly replicationTarget?: number | undefined;
  /** The highest replication target that a torrent gets. Default 10. */
  readonly maxReplicationTarget?: number | undefined;
  /** Limits of what is copied at a time. Defaults: core/replication/input.ts. */
  readonly replicationCaps?: Partial<PlanCaps> | undefined;
  /**
   * Memory that this process may take, in bytes; peers and torrents above it are refused. Default: memory-limits.ts.
   */
  readonly memoryBytes?: number | undefined;
  /** Defaults: limits.ts, and memory-limits.ts for three of them. */
  readonly trackerLimits?: Partial<TrackerLimits> | undefined;
  /** Decides which peers are listed. Default: a peer that answers at its address with its key. */
  readonly reachability?: ReachabilityCheck | undefined;
  /** Resolves host names of public URLs. Default: the system's resolver. */
  readonly resolveHost?: ResolveHost | undefined;
  /** Asks a legacy peer whether it still has a piece. Default: over gRPC. */
  readonly hasPiece?: HasPiece | undefined;
  /**
   * Whether LocatePieces, Announce and the legacy GetFilePieces are answered before Connect's handler. Default true.
   */
  readonly direct?: boolean | undefined;
  /** Returns how late the event loop is, in ms. Default: measured. */
  readonly loopDelayMs?: (() => number) | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

export interface RunningTracker {
  /** No slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Shared by all trackers over one Redis; else new in every process. */
  readonly trackerId: string;
  /** Ends watches, lets other calls finish, and leaves no socket and no timer. */
  close(): Promise<void>;
}

/** Starts a tracker. Throws the system's error if the port is taken. */
export async function startTracker(options: TrackerOptions): Promise<RunningTracker> {
  const { store, metrics, services, shareRate, close } = composeTracker(options, await openShared(options));
  const server = await startServer({
    ...options,
    services,
    shareRate,
    http: trackerPages(store, metrics),
  });
  return {
    url: server.url,
    port: server.port,
    get trackerId() {
      return store.trackerId;
    },
    async close() {
      await server.close();
      await close();
    },
  };
}

/** The Redis of `options.store`. The Redis client takes long to load, so a tracker without a Redis does not load it. */
export async function openShared(options: TrackerOptions): Promise<RedisSwarmStore | undefined> {
  if (options.store === undefined) return undefined;
  const { RedisSwarmStore } = await import("./store/redis/redis-swarm-store.ts");
  return sharedStore(options, RedisSwarmStore);
}

/** Like openShared, for callers that have loaded the class. */
export function sharedStore(
  options: TrackerOptions,
  Store: typeof RedisSwarmStore,
): RedisSwarmStore | undefined {
  const { store: url, clock = nodeClock, log } = options;
  return url === undefined ? undefined : new Store({ url, clock, limits: resolveLimits(options), log });
}

/**
 * Makes a tracker without a server. `shared` is what openShared returned for these options; without it this process
 * keeps the state. Its `close` leaves no timer and no dial.
 */
export function composeTracker(options: TrackerOptions, shared?: RedisSwarmStore) {
  if (options.store && !shared) throw new Error("a tracker with a Redis was given no store");
  const { clock = nodeClock, random = Math.random } = options;
  const { allowNetworks, resolveHost = systemResolveHost, hasPiece = dialHasPiece, ca } = options;
  const limits = resolveLimits(options);
  const addresses = new AddressPolicy({ own: classOfHost(ownHost(options)), allowNetworks, resolveHost });
  const store = shared ?? new MemorySwarmStore(clock, limits);
  const slots = new FairSlots(limits.maxDials);
  const reachability = options.reachability ?? new DialBack({ addresses, slots, clock, ca });
  const listings = new Listings({ store, reachability, clock, random });
  const contest = new Contest(store, reachability);
  const legacyRegistrar = new LegacyRegistrar(store, addresses, contest);
  const prober = new LegacyProber({ store, clock, limits, slots, hasPiece });
  // The store may have legacy peers from another process.
  if (shared) prober.start();
  const votes = new FailureVotes(clock, shared?.votes);
  const selector = new PeerSelector(store, votes, random);
  const loop = options.loopDelayMs ? undefined : new EventLoopDelay();
  const delayMs = options.loopDelayMs ?? loop!.delayMs;
  const overload = new Overload(delayMs, random);
  const metrics = new TrackerMetrics(store, delayMs);
  const replicator = composeReplicator({ store, clock, limits }, metrics, options);
  const registrar = new Registrar({ store, addresses, contest, listings, replicator, limits, random });
  const { locateMs } = limits;
  const answers = new AnswerCache();
  const answerRate = options.rateLimit === false ? undefined : new AnswerRate();
  const locate = new LocateCall({
    store,
    selector,
    metrics,
    overload,
    answers,
    answerRate,
    random,
    locateMs,
  });
  const announceCall = new AnnounceCall({ registrar, metrics, overload, votes });
  const service = trackerService({ store, replicator, announceCall, selector, locate, clock });
  const filePieces = new FilePiecesCall(selector, answers, answerRate);
  const legacyService = legacyTrackerService(legacyRegistrar, prober, filePieces);
  return {
    store,
    metrics,
    shareRate: shared && ((burst: number, perSecond: number) => shared.rate(burst, perSecond)),
    services: [
      served(TrackerService, service, {
        policies: trackerPolicies,
        direct: { locatePieces: locate.direct, announce: announceCall.direct },
      }),
      served(LegacyTrackerService, legacyService, {
        policies: legacyTrackerPolicies,
        direct: { getFilePieces: filePieces.direct },
      }),
    ],
    async close() {
      loop?.close();
      await Promise.all([listings.close(), prober.close()]);
      await store.close();
    },
  };
}

function composeReplicator(
  parts: Pick<ReplicatorParts, "store" | "clock" | "limits">,
  { registry }: TrackerMetrics,
  options: TrackerOptions,
): Replicator {
  const { replicationTarget = 0, maxReplicationTarget = 10, replicationCaps: caps, log } = options;
  const targets = { replicationTarget, maxReplicationTarget };
  return new Replicator({ ...parts, targets, caps, metrics: new ReplicationMetrics(registry), log });
}

/** Without a rate limit, as in a closed network, there is no cap on the peers of one address either. */
function resolveLimits({ trackerLimits, rateLimit, memoryBytes }: TrackerOptions): TrackerLimits {
  const fitting = limitsFor(memoryBytes ?? memoryOf(machineMemory()));
  const open = rateLimit === false ? { maxLeasesPerAddress: Number.POSITIVE_INFINITY } : {};
  return { ...defaultTrackerLimits, ...fitting, ...open, ...trackerLimits };
}

/** The host under which peers reach this tracker: its class decides which addresses they may have. */
function ownHost({ host = "127.0.0.1", publicUrl }: EdgeOptions): string {
  return publicUrl ? new URL(publicUrl).hostname : host;
}
