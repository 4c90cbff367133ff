import type { Clock } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { PieceRange, SwarmKey } from "#core/ports/tracker.ts";
import type { Log } from "../../../http/base/log.ts";
import type { SharedRate } from "../../../http/guards/rate-limit.ts";
import { randomId } from "../lease-secret.ts";
import { defaultTrackerLimits, type TrackerLimits } from "../limits.ts";
import { refuseEnded } from "../refuse.ts";
import { showsChange } from "../rules/swarm-rules.ts";
import type { LeaseChange, Membership, PeerLease, SwarmStore } from "../swarm-store.ts";
import { RedisAccounts } from "./accounts.ts";
import { digestOf, type RedisKeys, redisKeys } from "./keys.ts";
import { RedisLeases } from "./leases.ts";
import { RedisLegacyPeers } from "./legacy-peers.ts";
import type { RedisParts } from "./parts.ts";
import { RedisRate } from "./rate.ts";
import { RedisConnection } from "./redis-connection.ts";
import { RedisOrders } from "./redis-orders.ts";
import { RedisVotes } from "./redis-votes.ts";
import { Repeater } from "./repeater.ts";
import { RedisSwarms } from "./swarms.ts";
import { RedisTables } from "./tables.ts";

const SWEEP_MS = 1_000;
/** Leases removed in parallel, and in one sweep. */
const SWEEP_CHUNK = 50;
const MAX_SWEPT = 2_000;
/** All keys expire this many times the longest lease after the last replica has gone. */
const NET_LEASES = 2;

export interface RedisSwarmStoreOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. Redis 7.0 or later, or Valkey. */
  readonly url: string;
  readonly clock: Clock;
  readonly limits?: Partial<TrackerLimits> | undefined;
  /** The start of all keys. Trackers with the same prefix are replicas of each other. Default "pieza:". */
  readonly prefix?: string | undefined;
  /** The clock by which leases end, in ms. Default: Redis' clock, which all replicas share. */
  readonly now?: (() => number) | undefined;
  readonly log?: Log | undefined;
}

/**
 * Keeps the state in a Redis that several trackers share, which makes them replicas of one tracker.
 *
 * Each lease and each swarm changes atomically on its own. The order of writes is such that a tracker that dies
 * between two of them leaves at worst a row of an ended lease, which readers skip and remove. A call throws
 * `unavailable` within a second if Redis does not answer.
 */
export class RedisSwarmStore implements SwarmStore {
  readonly orders: RedisOrders;
  readonly votes: RedisVotes;
  readonly #connection: RedisConnection;
  readonly #parts: RedisParts;
  readonly #leases: RedisLeases;
  readonly #swarms: RedisSwarms;
  readonly #legacyPeers: RedisLegacyPeers;
  readonly #sweeper: Repeater;
  readonly find: SwarmStore["find"] = (id) => this.#leases.find(id);
  readonly holderOf: SwarmStore["holderOf"] = (address) => this.#leases.holderOf(address);
  readonly leave: SwarmStore["leave"] = (id, infoHash) => this.#swarms.leave(digestOf(id), infoHash);
  readonly swarm: SwarmStore["swarm"] = (key) => this.#swarms.swarm(key);
  readonly swarmsOf: SwarmStore["swarmsOf"] = (infoHash) => this.#swarms.ofInfoHash(infoHash);
  readonly swarmsNamed: SwarmStore["swarmsNamed"] = (fileName) => this.#swarms.named(fileName);
  readonly changes: SwarmStore["changes"] = (cursor) => this.#swarms.changes(cursor);
  readonly volunteers: SwarmStore["volunteers"] = () => this.#leases.volunteers();
  readonly declare: SwarmStore["declare"] = (id, files) => this.#legacyPeers.declare(id, files);
  readonly legacyFile: SwarmStore["legacyFile"] = (fileName) => this.#legacyPeers.file(fileName);
  readonly legacyPeers: SwarmStore["legacyPeers"] = () => this.#legacyPeers.peers();
  #trackerId = randomId();
  #garbage = 0;

  constructor({ url, clock, limits, prefix = "pieza:", now, log }: RedisSwarmStoreOptions) {
    const all = { ...defaultTrackerLimits, ...limits };
    const keys = redisKeys(prefix);
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
    const tableParts = { ...this.#parts, leases: this.#leases, tables, accounts };
    this.#swarms = new RedisSwarms(tableParts);
    this.orders = new RedisOrders(tableParts);
    this.#legacyPeers = new RedisLegacyPeers(tableParts);
    this.#sweeper = new Repeater(clock, SWEEP_MS, () => this.#sweep());
  }

  /** Shared by all trackers on this Redis, once it has answered. */
  get trackerId(): string {
    return this.#trackerId;
  }

  /** A rate limit that all trackers over this Redis count together. */
  rate(burst: number, perSecond: number): SharedRate {
    return new RedisRate(this.#connection, this.#parts.keys, burst, perSecond);
  }

  get troubles(): { readonly errors: number; readonly garbage: number } {
    return { errors: this.#connection.errors, garbage: this.#garbage };
  }

  async open(lease: PeerLease): Promise<void> {
    if (lease.volunteer) await this.#leases.noteVolunteer(lease.id);
    if (await this.#leases.open(lease)) return;
    await this.end(lease.id);
    if (!(await this.#leases.open(lease))) throw new PiezaError("unavailable", "the lease is being ended");
  }

  async renew(id: string, change?: LeaseChange): Promise<PeerLease | undefined> {
    if (change?.volunteer) await this.#leases.noteVolunteer(id);
    const renewed = await this.#leases.renew(id, change);
    if (!renewed) return undefined;
    const { before, after, netDue } = renewed;
    const digest = digestOf(id);
    if (showsChange(before, after)) {
      for (const key of await this.#swarms.joined(digest)) await this.#swarms.touch(key, digest);
      if (after.legacy) await this.#legacyPeers.touch(digest);
    }
    if (netDue) await this.#renewNet(after);
    return after;
  }

  async end(id: string): Promise<void> {
    await this.#remove(digestOf(id), true);
  }

  async join(id: string, membership: Membership, replace: boolean): Promise<boolean> {
    const lease = await this.#leases.find(id);
    if (!lease) refuseEnded();
    const digest = digestOf(id);
    const kept = await this.#swarms.join(digest, membership, replace);
    // The lease may have ended meanwhile and have left its swarms before it joined this one.
    if (kept && !(await this.#leases.find(id))) await this.#swarms.leave(digest, membership.infoHash);
    return kept;
  }

  async withdraw(id: string, key: SwarmKey, ranges: readonly PieceRange[], least: number): Promise<boolean> {
    if (!(await this.#leases.find(id))) return false;
    return this.#swarms.withdraw(id, key, ranges, least);
  }

  async joined(id: string): Promise<readonly string[]> {
    if (!(await this.#leases.find(id))) return [];
    return (await this.#swarms.joined(digestOf(id))).map(({ infoHash }) => infoHash);
  }

  async swarms(limit: number): Promise<readonly SwarmKey[]> {
    await this.#sweeper.idle();
    return this.#swarms.some(limit);
  }

  async counts(): Promise<{ leases: number; swarms: number }> {
    await this.#sweeper.idle();
    const [leases, swarms] = await Promise.all([this.#leases.count(), this.#swarms.count()]);
    return { leases, swarms };
  }

  async close(): Promise<void> {
    await Promise.all([this.#sweeper.close(), this.#connection.close(), this.votes.close()]);
  }

  /** The first tracker names the id that all share. A Redis that came back empty gets the same id again. */
  async #agreeOnId(connection: RedisConnection, keys: RedisKeys): Promise<void> {
    await connection.command("SET", keys.trackerId, this.#trackerId, "NX");
    const id = String(await connection.command("GET", keys.trackerId));
    if (!/^[0-9a-f]{32}$/.test(id))
      throw new PiezaError("unavailable", "the tracker's id in Redis is malformed");
    this.#trackerId = id;
  }

  /** Removes leases whose time is over. Every replica sweeps; one is enough. */
  async #sweep(): Promise<void> {
    for (let swept = 0; swept < MAX_SWEPT; swept += SWEEP_CHUNK) {
      const digests = await this.#leases.expired(SWEEP_CHUNK);
      await Promise.all(digests.map((digest) => this.#remove(digest, false)));
      if (digests.length < SWEEP_CHUNK) return;
    }
  }

  /** Removes a lease: first it counts as ended, then it leaves its swarms, then its keys go. */
  async #remove(digest: string, force: boolean): Promise<void> {
    if (!(await this.#leases.claim(digest, force))) return;
    for (const key of await this.#swarms.joined(digest)) await this.#swarms.remove(key, digest);
    await this.orders.endVolunteer(digest);
    await this.#legacyPeers.remove(digest);
    await this.#leases.purge(digest);
  }

  /** Renews the expiry of all keys that a long-lived lease depends on. */
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
