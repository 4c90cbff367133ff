import type { PeerLease } from "../swarm-store.ts";
import type { RedisAccounts } from "./accounts.ts";
import { parseRow, type Row } from "./codec.ts";
import type { RedisLeases } from "./leases.ts";
import type { RedisParts } from "./parts.ts";
import * as scripts from "./scripts.ts";

/** Tables cached in this process; the one read longest ago is dropped first. */
const MAX_CACHED = 2_000;
/** A table with more than LARGE_ROWS rows is read again at most every LARGE_MS, however fast it changes. */
const LARGE_ROWS = 500;
const LARGE_MS = 500;

export type LiveRow = Row & { readonly lease: PeerLease };

export interface TableReader<T> {
  /** Makes the value of a table from its live rows, in the order of their places. */
  make(rows: LiveRow[]): T | undefined | Promise<T | undefined>;
  /** Removes a row whose lease has ended. */
  onEnded(digest: string): Promise<unknown>;
}

interface Cached {
  readonly version: string;
  readonly value: unknown;
  /** Digests of the leases in `value`. */
  readonly digests: readonly string[];
  readonly readAtMs: number;
  /** The time at which the first of these leases may have ended. */
  checkAtMs: number;
}

/** What the parts that keep tables work with. */
export interface TableParts extends RedisParts {
  readonly leases: RedisLeases;
  readonly tables: RedisTables;
  readonly accounts: RedisAccounts;
}

/**
 * Tables of rows by lease, each a hash with a version. This process caches what it makes of a table until the version
 * changes or a lease in it ends. So an unchanged table costs one HGET.
 */
export class RedisTables {
  readonly #parts: RedisParts;
  readonly #leases: RedisLeases;
  readonly #cache = new Map<string, Cached>();
  /** By the value that was made of a table: the table's version. */
  readonly #versions = new WeakMap<object, string>();
  /** Readings under way, by key and version. */
  readonly #readings = new Map<string, Promise<unknown>>();

  constructor(parts: RedisParts, leases: RedisLeases) {
    this.#parts = parts;
    this.#leases = leases;
  }

  /**
   * The value that `make` returns for a table, the same object while the table is unchanged; undefined without rows.
   */
  async read<T>(key: string, { make, onEnded }: TableReader<T>): Promise<T | undefined> {
    const [version, now] = await Promise.all([
      this.#parts.connection.command("HGET", key, "v"),
      this.#leases.now(),
    ]);
    const cached = this.#cache.get(key);
    if (!version) {
      this.#cache.delete(key);
      return undefined;
    }
    if (cached && (await this.#holds(cached, String(version), now))) return cached.value as T;
    // Calls that saw the same version share one reading, which is at least as new.
    const reading = `${key} ${version}`;
    const underWay = this.#readings.get(reading) ?? this.#readAll(key, { make, onEnded }, now);
    this.#readings.set(reading, underWay);
    try {
      return (await underWay) as T | undefined;
    } finally {
      this.#readings.delete(reading);
    }
  }

  async #holds(cached: Cached, version: string, now: number): Promise<boolean> {
    const calm = cached.digests.length > LARGE_ROWS && now < cached.readAtMs + LARGE_MS;
    if (cached.version !== version && !calm) return false;
    if (now < cached.checkAtMs) return true;
    cached.checkAtMs = least(await this.#leases.endsOf(cached.digests));
    return now < cached.checkAtMs;
  }

  async #readAll<T>(key: string, reader: TableReader<T>, now: number, again = false): Promise<T | undefined> {
    const { version, rows } = await this.#rows(key);
    const ends = await this.#leases.endsOf(rows.map(({ digest }) => digest));
    const ended = rows.filter((_, at) => ends[at]! <= now);
    for (const { digest } of ended) await reader.onEnded(digest);
    // Removing rows has changed the version.
    if (ended.length > 0 && !again) return this.#readAll(key, reader, now, true);
    const live = rows.filter((_, at) => ends[at]! > now);
    const digests = live.map(({ digest }) => digest);
    const leases = await this.#leases.many(digests);
    const known = live.flatMap((row, at) => (leases[at] ? [{ ...row, lease: leases[at] }] : []));
    known.sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0));
    const value = known.length > 0 ? await reader.make(known) : undefined;
    if (typeof value === "object" && value !== null) this.#versions.set(value, version);
    const checkAtMs = least(ends.filter((end) => end > now));
    this.#cache.delete(key);
    this.#cache.set(key, { version, value, digests, readAtMs: now, checkAtMs });
    if (this.#cache.size > MAX_CACHED) this.#cache.delete(this.#cache.keys().next().value!);
    return value;
  }

  async #rows(key: string): Promise<{ version: string; rows: Row[] }> {
    const all = (await this.#parts.connection.command("HGETALL", key)) as Buffer[];
    const rows: Row[] = [];
    let version = "";
    for (let at = 0; at + 1 < all.length; at += 2) {
      const field = String(all[at]);
      const value = all[at + 1]!;
      if (field === "v") version = String(value);
      if (field === "v" || field === "b") continue;
      const row = parseRow(field, value);
      if (row) rows.push(row);
      else this.#parts.onGarbage();
    }
    return { version, rows };
  }

  /** The version of the table from which `read` made this value. */
  versionOf(value: object): string {
    return this.#versions.get(value) ?? "";
  }

  /** One row of a table, whether its lease is live or not. */
  async row(key: string, digest: string): Promise<Row | undefined> {
    const value = await this.#parts.connection.command("HGET", key, digest);
    return Buffer.isBuffer(value) ? parseRow(digest, value) : undefined;
  }

  /** Writes a row. Returns the table's bytes; undefined if a newer row or another version than `version` is there. */
  async put(
    key: string,
    digest: string,
    row: readonly [string, string, Buffer | string],
    { replace, tableBytes, version = "" }: { replace: boolean; tableBytes: number; version?: string },
  ): Promise<number | undefined> {
    const args = [digest, ...row, replace ? "1" : "", tableBytes, this.#parts.netMs, version];
    const bytes = Number(await this.#parts.connection.script(scripts.putRow, [key], args));
    return bytes < 0 ? undefined : bytes;
  }

  /** Removes a row. Returns the bytes that are left of the table, 0 if none; undefined if there was no such row. */
  async remove(key: string, digest: string): Promise<number | undefined> {
    const bytes = Number(await this.#parts.connection.script(scripts.removeRow, [key], [digest]));
    return bytes < 0 ? undefined : bytes;
  }

  /** Gives the table a new version, because the lease of this row has changed. */
  async touch(key: string, digest: string): Promise<void> {
    await this.#parts.connection.script(scripts.touchRow, [key], [digest]);
  }
}

function least(values: readonly number[]): number {
  let result = Number.POSITIVE_INFINITY;
  for (const value of values) if (value < result) result = value;
  return result;
}
