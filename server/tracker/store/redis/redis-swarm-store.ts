import type { Clock } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { PieceRange, SwarmKey } from "#core/ports/tracker.ts";
import type { Log } from "../../../http/base/log.ts";
import type { SharedRate } from "../../../http/guards/rate-limit.ts";
import { randomId } from "../lease-secret.ts";
import { defaultTrackerLimits, type TrackerLimits } from "../limits.ts";
import { showsChange } from "../rules/swarm-rules.ts";
import type {
  DeclaredFile,
  LeaseChange,
  LegacyFile,
  LegacyPeer,
  Membership,
  PeerLease,
  SwarmChanges,
  SwarmSnapshot,
  SwarmStore,
} from "../swarm-store.ts";
import { RedisAccounts } from "./accounts.ts";
import { digestOf, RedisKeys } from "./keys.ts";
import { RedisLeases, type RedisParts } from "./leases.ts";
import { RedisLegacyPeers } from "./legacy-peers.ts";
import { RedisRate } from "./rate.ts";
import { RedisConnection } from "./redis-connection.ts";
import { RedisOrders } from "./redis-orders.ts";
import { RedisVotes } from "./redis-votes.ts";
import { RedisSwarms } from "./swarms.ts";
import { RedisTables } from "./tables.ts";

const SWEEP_MS = 1_000;
/** Leases taken away at the same time, and in one sweep. */
const SWEEP_CHUNK = 50;
const MAX_SWEPT = 2_000;
/** So many times the longest lease after the last replica has gone, Redis has forgotten everything. */
const NET_LEASES = 2;

export interface RedisSwarmStoreOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. Redis 7.0 or later, or Valkey. */
  readonly url: string;
  readonly clock: Clock;
  readonly limits?: Partial<TrackerLimits> | undefined;
  /** Of all keys; trackers with one prefix are replicas of each other. Default "pieza:". */
  readonly prefix?: string | undefined;
  /** What leases end by, in ms. Default: Redis' clock, which all replicas share. */
  readonly now?: (() => number) | undefined;
  readonly log?: Log | undefined;
}

/**
 * Keeps everything in a Redis that several trackers share, which makes them replicas of one tracker.
 *
 * A lease and each swarm are changed by themselves, each in one step; what belongs together is written in such an
 * order that whoever dies in between leaves a row of an ended lease at worst, which readers pass over and take away.
 * Calls fail with `unavailable` within a second if Redis does not answer.
 */
export class RedisSwarmStore implements SwarmStore {
  readonly orders: RedisOrders;
  readonly votes: RedisVotes;
  readonly #connection: RedisConnection;
  readonly #parts: RedisParts;
  readonly #leases: RedisLeases;
  readonly #swarms: RedisSwarms;
  readonly #legacyPeers: RedisLegacyPeers;
  readonly #clock: Clock;
  #trackerId = randomId();
  #garbage = 0;
  #cancelSweep = () => {};
  #sweeping: Promise<void> | undefined;
  #closed = false;

  constructor({ url, clock, limits, prefix = "pieza:", now, log }: RedisSwarmStoreOptions) {
    const all = { ...defaultTrackerLimits, ...limits };
    const keys = new RedisKeys(prefix);
    const onReady = (connection: RedisConnection) => {
      this.votes.rewind();
      return this.#agreeOnId(connection, keys);
    };
    this.#connection = new RedisConnection({ url, onReady, log });
    this.#parts = {
      connection: this.#connection,
      keys,
      limits: all,
      now: () => now?.(),
      netMs: NET_LEASES * Math.max(all.leaseMs, all.legacyLeaseMs),
      onGarbage: () => void this.#garbage++,
    };
    this.votes = new RedisVotes(this.#parts, clock);
    this.#leases = new RedisLeases(this.#parts);
    const tables = new RedisTables(this.#parts, this.#leases);
    const accounts = new RedisAccounts(this.#parts);
    this.#swarms = new RedisSwarms(this.#parts, tables, accounts);
    this.orders = new RedisOrders(this.#parts, this.#leases, tables);
    this.#legacyPeers = new RedisLegacyPeers(this.#parts, this.#leases, tables, accounts);
    this.#clock = clock;
    this.#arm();
  }

  /** Shared by all trackers on this Redis, once it has answered. */
  get trackerId(): string {
    return this.#trackerId;
  }

  /** Where trackers over this Redis count an address' calls together. */
  rate(burst: number, perSecond: number): SharedRate {
    return new RedisRate(this.#connection, this.#parts.keys, burst, perSecond);
  }

  /** Since the start: commands that failed, and values that were passed over. */
  get troubles(): { readonly errors: number; readonly garbage: number } {
    return { errors: this.#connection.errors, garbage: this.#garbage };
  }

  async open(lease: PeerLease): Promise<void> {
    if (lease.volunteer) await this.#leases.noteVolunteer(lease.id);
    if (await this.#leases.open(lease)) return;
    await this.end(lease.id);
    if (!(await this.#leases.open(lease))) throw new PiezaError("unavailable", "the lease is being ended");
  }

  find(id: string): Promise<PeerLease | undefined> {
    return this.#leases.find(id);
  }

  holderOf(address: string): Promise<PeerLease | undefined> {
    return this.#leases.holderOf(address);
  }

  async renew(id: string, change?: LeaseChange): Promise<PeerLease | undefined> {
    if (change?.volunteer) await this.#leases.noteVolunteer(id);
    const renewed = await this.#leases.renew(id, change);
    if (!renewed) return undefined;
    const { before, after, netDue } = renewed;
    const digest = digestOf(id);
    if (showsChange(before, after)) {
      for (const key of await this.#swarms.joined(digest)) await this.#swarms.touch(key, digest);
    }
    if (netDue) await this.#renewNet(after);
    return after;
  }

  async end(id: string): Promise<void> {
    await this.#take(digestOf(id), true);
  }

  async join(id: string, membership: Membership, replace: boolean): Promise<boolean> {
    const lease = await this.#leases.find(id);
    if (!lease) throw new PiezaError("not_found", "the lease has ended");
    const digest = digestOf(id);
    const kept = await this.#swarms.join(digest, membership, replace);
    // It may have ended meanwhile, and been taken out of its swarms before it came into this one.
    if (kept && !(await this.#leases.find(id))) await this.#swarms.leave(digest, membership.infoHash);
    return kept;
  }

  leave(id: string, infoHash: string): Promise<void> {
    return this.#swarms.leave(digestOf(id), infoHash);
  }

  async withdraw(id: string, key: SwarmKey, ranges: readonly PieceRange[], least: number): Promise<boolean> {
    if (!(await this.#leases.find(id))) return false;
    return this.#swarms.withdraw(id, key, ranges, least);
  }

  async joined(id: string): Promise<readonly string[]> {
    if (!(await this.#leases.find(id))) return [];
    return (await this.#swarms.joined(digestOf(id))).map(({ infoHash }) => infoHash);
  }

  swarm(key: SwarmKey): Promise<SwarmSnapshot | undefined> {
    return this.#swarms.swarm(key);
  }

  swarmsOf(infoHash: string): Promise<readonly SwarmKey[]> {
    return this.#swarms.ofInfoHash(infoHash);
  }

  swarmsNamed(fileName: string): Promise<readonly SwarmKey[]> {
    return this.#swarms.named(fileName);
  }

  async swarms(limit: number): Promise<readonly SwarmKey[]> {
    await this.#sweeping;
    return this.#swarms.some(limit);
  }

  changes(cursor: string): Promise<SwarmChanges> {
    return this.#swarms.changes(cursor);
  }

  volunteers(): Promise<readonly PeerLease[]> {
    return this.#leases.volunteers();
  }

  declare(id: string, files: readonly DeclaredFile[]): Promise<void> {
    return this.#legacyPeers.declare(id, files);
  }

  legacyFile(fileName: string): Promise<LegacyFile | undefined> {
    return this.#legacyPeers.file(fileName);
  }

  legacyPeers(): Promise<readonly LegacyPeer[]> {
    return this.#legacyPeers.peers();
  }

  async counts(): Promise<{ leases: number; swarms: number }> {
    await this.#sweeping;
    const [leases, swarms] = await Promise.all([this.#leases.count(), this.#swarms.count()]);
    return { leases, swarms };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelSweep();
    await Promise.all([this.#connection.close(), this.votes.close()]);
    await this.#sweeping;
  }

  /** Whoever came first has named the tracker. A Redis that came back empty gets the name that it had. */
  async #agreeOnId(connection: RedisConnection, keys: RedisKeys): Promise<void> {
    await connection.command("SET", keys.trackerId, this.#trackerId, "NX");
    const id = String(await connection.command("GET", keys.trackerId));
    if (!/^[0-9a-f]{32}$/.test(id))
      throw new PiezaError("unavailable", "the tracker's id in Redis is malformed");
    this.#trackerId = id;
  }

  #arm(): void {
    this.#cancelSweep = this.#clock.after(SWEEP_MS, () => {
      this.#sweeping = this.#sweep()
        // Redis is away, which callers are told; the next sweep finds what this one has not.
        .catch(() => {})
        .finally(() => {
          this.#sweeping = undefined;
        });
      if (!this.#closed) this.#arm();
    });
  }

  /** Takes away leases whose time is over. Every replica does; none is needed. */
  async #sweep(): Promise<void> {
    const before = this.#sweeping;
    if (before) return before;
    for (let swept = 0; swept < MAX_SWEPT; swept += SWEEP_CHUNK) {
      const digests = await this.#leases.expired(SWEEP_CHUNK);
      await Promise.all(digests.map((digest) => this.#take(digest, false)));
      if (digests.length < SWEEP_CHUNK) return;
    }
  }

  /** Takes a lease away: first it counts as ended, then it leaves its swarms, then nothing of it remains. */
  async #take(digest: string, force: boolean): Promise<void> {
    if (!(await this.#leases.claim(digest, force))) return;
    for (const key of await this.#swarms.joined(digest)) await this.#swarms.remove(key, digest);
    await this.orders.endVolunteer(digest);
    await this.#legacyPeers.remove(digest);
    await this.#leases.purge(digest);
  }

  /** A lease that lives long keeps everything alive that belongs to it. */
  async #renewNet({ id, address, source }: PeerLease): Promise<void> {
    const { keys, netMs } = this.#parts;
    const digest = digestOf(id);
    const own = [keys.lease(digest), keys.joined(digest), keys.declared(digest), keys.address(address)];
    const indexes = [keys.swarms, keys.bytes, keys.legacyPeers, keys.legacyBytes, keys.source(source)];
    const shared = [keys.leases, keys.changes, keys.changed, keys.volunteers, keys.books, ...indexes];
    for (const key of [...own, ...shared]) await this.#connection.command("PEXPIRE", key, netMs);
    await this.#swarms.renewNet(digest);
  }
}
