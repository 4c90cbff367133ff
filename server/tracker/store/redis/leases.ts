import { PiezaError } from "#core/base/errors.ts";
import { nodeClock } from "../../../base/node-clock.ts";
import { refuse } from "../refuse.ts";
import type { LeaseChange, PeerLease } from "../swarm-store.ts";
import { decodeLease, encodeLease } from "./codec.ts";
import { digestOf, isDigest } from "./keys.ts";
import type { RedisParts } from "./parts.ts";
import * as scripts from "./scripts.ts";
import { addToSet } from "./sets.ts";

/** Leases read with one MGET. */
const READ_CHUNK = 500;
/** The difference between Redis' clock and this machine's is measured again after this time. */
const OFFSET_MS = 1_000;
/** Tries to change a lease that other trackers change at the same time. */
const MAX_TRIES = 5;

/** The leases of a RedisSwarmStore, without their swarms. */
export class RedisLeases {
  readonly #parts: RedisParts;
  /** Redis' clock minus nodeClock, valid until `#offsetUntilMs` of nodeClock. */
  #offsetMs = 0;
  #offsetUntilMs = -Infinity;

  constructor(parts: RedisParts) {
    this.#parts = parts;
  }

  /** Returns false if an ended lease of this id has to be removed first. Throws as SwarmStore.open does. */
  async open(lease: PeerLease): Promise<boolean> {
    const { limits, keys, netMs } = this.#parts;
    const digest = digestOf(lease.id);
    const maxFromSource = Number.isFinite(limits.maxLeasesPerAddress) ? limits.maxLeasesPerAddress : -1;
    const hindered = await this.#script(
      scripts.openLease,
      [keys.lease(digest), keys.address(lease.address), keys.source(lease.source)],
      [
        digest,
        encodeLease(lease),
        this.#lifeMs(lease),
        Math.min(limits.maxLeases, Number.MAX_SAFE_INTEGER),
        maxFromSource,
        lease.address === "" ? "" : "1",
        netMs,
      ],
    );
    switch (String(hindered)) {
      case "held":
        throw new PiezaError("already_exists", `another peer holds ${lease.address}`);
      case "source":
        return refuse("peers from one address");
      case "leases":
        return refuse("peers");
      default:
        return String(hindered) === "ok";
    }
  }

  async find(id: string): Promise<PeerLease | undefined> {
    return (await this.#live(digestOf(id)))?.lease;
  }

  async holderOf(address: string): Promise<PeerLease | undefined> {
    const digest = await this.#parts.connection.command("GET", this.#parts.keys.address(address));
    const lease = digest ? (await this.#live(String(digest)))?.lease : undefined;
    return lease?.address === address ? lease : undefined;
  }

  /** Returns the lease before and after, and whether the expiry of its keys is due; undefined if it has ended. */
  async renew(id: string, change: LeaseChange | undefined) {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const digest = digestOf(id);
      const before = await this.#live(digest);
      if (!before) return undefined;
      const after = change ? { ...before.lease, ...change } : before.lease;
      const [old, next] = change ? [before.value, encodeLease(after)] : ["", ""];
      const { keys, netMs } = this.#parts;
      const args = [digest, this.#lifeMs(after), old, next, netMs];
      const answer = await this.#script(scripts.renewLease, [keys.lease(digest)], args);
      if (!answer) return undefined;
      if (Array.isArray(answer)) return { before: before.lease, after, netDue: Number(answer[1]) === 1 };
    }
    throw new PiezaError("unavailable", "other calls change this lease at the same time");
  }

  /** Whether the caller has to remove the lease. `force`: also if its time is not over. */
  async claim(digest: string, force: boolean): Promise<boolean> {
    return Number(await this.#script(scripts.claimLease, [], [digest, force ? "1" : ""])) === 1;
  }

  /** The last step of removing a lease, after it has left all swarms. */
  async purge(digest: string): Promise<void> {
    const { connection, keys } = this.#parts;
    const lease = this.#decode(digest, await connection.command("GET", keys.lease(digest)));
    await connection.script(
      scripts.purgeLease,
      [
        keys.leases,
        keys.lease(digest),
        keys.joined(digest),
        keys.declared(digest),
        keys.address(lease?.address ?? ""),
        keys.source(lease?.source ?? ""),
      ],
      [digest],
    );
    await connection.command("SREM", keys.volunteers, digest);
    await connection.command("DEL", keys.ordered(digest));
  }

  /** Up to `limit` digests of leases whose time is over. */
  async expired(limit: number): Promise<string[]> {
    const { connection, keys } = this.#parts;
    const now = await this.now();
    const found = await connection.command("ZRANGEBYSCORE", keys.leases, "-inf", now, "LIMIT", 0, limit);
    return (found as Buffer[]).map(String);
  }

  /** Notes that a lease lends space. Called before the lease says so, in case the tracker dies in between. */
  async noteVolunteer(id: string): Promise<void> {
    await addToSet(this.#parts, this.#parts.keys.volunteers, digestOf(id));
  }

  async volunteers(): Promise<PeerLease[]> {
    const { connection, keys } = this.#parts;
    const digests = ((await connection.command("SMEMBERS", keys.volunteers)) as Buffer[]).map(String);
    const known = digests.filter(isDigest);
    const now = await this.now();
    const ends = await this.endsOf(known);
    const leases = await this.many(known.filter((_, at) => ends[at]! > now));
    return leases.flatMap((lease) => (lease?.volunteer ? [lease] : []));
  }

  async count(): Promise<number> {
    const { connection, keys } = this.#parts;
    return Number(await connection.command("ZCOUNT", keys.leases, `(${await this.now()}`, "+inf"));
  }

  /** When each of these leases ends, in ms; -Infinity for a lease that has ended. */
  async endsOf(digests: readonly string[]): Promise<number[]> {
    if (digests.length === 0) return [];
    const { connection, keys } = this.#parts;
    const scores = (await connection.command("ZMSCORE", keys.leases, ...digests)) as (Buffer | null)[];
    return scores.map((score) => (score && Number(score) > 0 ? Number(score) : -Infinity));
  }

  /** The stored leases of these digests, ended or not; undefined where Redis has none or garbage. */
  async many(digests: readonly string[]): Promise<(PeerLease | undefined)[]> {
    const { connection, keys } = this.#parts;
    const leases: (PeerLease | undefined)[] = [];
    for (let from = 0; from < digests.length; from += READ_CHUNK) {
      const chunk = digests.slice(from, from + READ_CHUNK);
      const values = await connection.command("MGET", ...chunk.map((digest) => keys.lease(digest)));
      (values as unknown[]).forEach((value, at) => void leases.push(this.#decode(chunk[at]!, value)));
    }
    return leases;
  }

  /** The time in ms on the clock by which leases end. */
  async now(): Promise<number> {
    const injected = this.#parts.now();
    if (injected !== undefined) return injected;
    if (nodeClock.now() >= this.#offsetUntilMs) {
      const [seconds, micros] = (await this.#parts.connection.command("TIME")) as Buffer[];
      this.#offsetMs = Number(seconds) * 1_000 + Number(micros) / 1_000 - nodeClock.now();
      this.#offsetUntilMs = nodeClock.now() + OFFSET_MS;
    }
    return Math.floor(nodeClock.now() + this.#offsetMs);
  }

  async #live(digest: string): Promise<{ lease: PeerLease; value: Buffer } | undefined> {
    const value = await this.#script(scripts.findLease, [this.#parts.keys.lease(digest)], [digest]);
    const lease = this.#decode(digest, value);
    return lease && { lease, value: value as Buffer };
  }

  #decode(digest: string, value: unknown): PeerLease | undefined {
    if (!Buffer.isBuffer(value)) return undefined;
    const lease = decodeLease(value);
    if (lease && digestOf(lease.id) === digest) return lease;
    this.#parts.onGarbage();
    return undefined;
  }

  #lifeMs({ legacy }: PeerLease): number {
    return legacy ? this.#parts.limits.legacyLeaseMs : this.#parts.limits.leaseMs;
  }

  /** Runs a script whose first key is the set of leases and whose first argument is the time. */
  #script(script: scripts.RedisScript, keys: readonly string[], args: readonly (string | number | Buffer)[]) {
    const { connection } = this.#parts;
    return connection.script(script, [this.#parts.keys.leases, ...keys], [this.#parts.now() ?? "", ...args]);
  }
}
