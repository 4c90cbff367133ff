import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { PieceRange, SwarmKey } from "#core/ports/tracker.ts";
import { refuse } from "../refuse.ts";
import { bytesOf, bytesOfSwarm, shownOf, withoutPieces } from "../rules/swarm-rules.ts";
import type { Membership, SwarmChanges, SwarmMember, SwarmSnapshot } from "../swarm-store.ts";
import type { RedisAccounts } from "./accounts.ts";
import { decodeSaid, encodeSaid } from "./codec.ts";
import { digestOf, parseSwarmId, swarmIdOf } from "./keys.ts";
import type { RedisParts } from "./leases.ts";
import * as scripts from "./scripts.ts";
import type { LiveRow, RedisTables } from "./tables.ts";

/** Tries to change a swarm that others change at the same time. */
const MAX_TRIES = 5;

/**
 * The swarms of a RedisSwarmStore: a table each, and sets that say where to look. A set may name a swarm that is
 * gone, never lack one for longer than it takes to write both: readers check, and take out what is not so.
 */
export class RedisSwarms {
  readonly #parts: RedisParts;
  readonly #tables: RedisTables;
  readonly #accounts: RedisAccounts;

  constructor(parts: RedisParts, tables: RedisTables, accounts: RedisAccounts) {
    this.#parts = parts;
    this.#tables = tables;
    this.#accounts = accounts;
  }

  /** As SwarmStore.join, for a lease that lives. */
  async join(digest: string, membership: Membership, replace: boolean): Promise<boolean> {
    const { keys } = this.#parts;
    const swarmId = swarmIdOf(membership);
    const key = keys.swarm(swarmId);
    const known = await this.#tables.row(key, digest);
    const { bitfield, revision, fileName, replicationTarget, pieceLength } = membership;
    if (!bitfield) return known?.revision === revision;
    if (known && !replace && revision <= known.revision) return true;

    const swarmBytes = bytesOfSwarm(membership);
    const grows = bytesOf(bitfield) - (await this.#bytesOf(digest, membership.infoHash));
    await this.#accounts.checkSwarm(swarmId, grows, swarmBytes);
    await this.#note(digest, membership);
    const row = encodeSaid({ fileName, revision, bitfield, replicationTarget, pieceLength });
    const bytes = await this.#tables.put(key, digest, row, { replace, tableBytes: swarmBytes });
    if (bytes !== undefined) await this.#accounts.set(keys.swarms, swarmId, bytes);
    await this.#index(membership, fileName);
    await this.#noteChange(swarmId);
    return true;
  }

  /** As SwarmStore.withdraw. Others that change the swarm at the same time may come first a few times. */
  async withdraw(id: string, key: SwarmKey, ranges: readonly PieceRange[], least: number): Promise<boolean> {
    const { keys } = this.#parts;
    const swarmId = swarmIdOf(key);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const swarm = await this.swarm(key);
      const bitfield = swarm && withoutPieces(swarm.members, id, ranges, least);
      const member = swarm?.members.find(({ leaseId }) => leaseId === id);
      if (!bitfield || !member) return bitfield !== undefined;
      const row = encodeSaid({ ...member, bitfield });
      const version = this.#tables.versionOf(swarm);
      const how = { replace: true, tableBytes: bytesOfSwarm(key), version };
      const bytes = await this.#tables.put(keys.swarm(swarmId), digestOf(id), row, how);
      if (bytes === undefined) continue;
      await this.#accounts.set(keys.swarms, swarmId, bytes);
      await this.#noteChange(swarmId);
      return true;
    }
    return false;
  }

  /** As SwarmStore.changes. */
  async changes(cursor: string): Promise<SwarmChanges> {
    const { connection, keys } = this.#parts;
    const [since] = (await connection.command("HMGET", keys.changes, "since")) as (Buffer | null)[];
    const [known, count] = cursor.split(" ");
    const all = known !== String(since ?? "");
    const after = all ? 0 : Number(count ?? 0);
    const found = (await connection.command(
      "ZRANGEBYSCORE",
      keys.changed,
      `(${after}`,
      "+inf",
      "WITHSCORES",
    )) as Buffer[];
    const changed: SwarmKey[] = [];
    for (let at = 0; at + 1 < found.length; at += 2) {
      const key = parseSwarmId(String(found[at]));
      if (key) changed.push(key);
      else this.#parts.onGarbage();
    }
    const last = found.length > 0 ? String(found.at(-1)) : String(after);
    return { cursor: since ? `${since} ${last}` : "", keys: changed, all };
  }

  async leave(digest: string, infoHash: string): Promise<void> {
    const { connection, keys } = this.#parts;
    const total = await connection.command("HGET", keys.joined(digest), infoHash);
    if (!total) return;
    await connection.command("HDEL", keys.joined(digest), infoHash);
    await this.remove({ infoHash, totalPieces: Number(total) }, digest);
  }

  /** What a lease takes part in. */
  async joined(digest: string): Promise<SwarmKey[]> {
    const { connection, keys } = this.#parts;
    const all = (await connection.command("HGETALL", keys.joined(digest))) as Buffer[];
    const joined: SwarmKey[] = [];
    for (let at = 0; at + 1 < all.length; at += 2) {
      const key = { infoHash: String(all[at]), totalPieces: Number(all[at + 1]) };
      if (parseSwarmId(swarmIdOf(key))) joined.push(key);
      else this.#parts.onGarbage();
    }
    return joined;
  }

  /** Takes a lease's row out of one swarm. */
  async remove(key: SwarmKey, digest: string): Promise<void> {
    const { keys } = this.#parts;
    const swarmId = swarmIdOf(key);
    const bytes = await this.#tables.remove(keys.swarm(swarmId), digest);
    // Whoever took the row away may have died before it said so.
    if (bytes !== 0) await this.#noteChange(swarmId);
    if (bytes === undefined) return;
    await this.#accounts.set(keys.swarms, swarmId, bytes);
    if (bytes > 0) return;
    await this.#parts.connection.command("ZREM", keys.changed, swarmId);
    await this.#forget(keys.infoHash(key.infoHash), swarmId, () => this.#exists(key));
  }

  /** What a lease says of itself has changed. */
  async touch(key: SwarmKey, digest: string): Promise<void> {
    const swarmId = swarmIdOf(key);
    await this.#tables.touch(this.#parts.keys.swarm(swarmId), digest);
    await this.#noteChange(swarmId);
  }

  /** Everything that a lease takes part in stays in Redis for its full time again. */
  async renewNet(digest: string): Promise<void> {
    const { connection, keys, netMs } = this.#parts;
    for (const key of await this.joined(digest)) {
      const table = keys.swarm(swarmIdOf(key));
      await connection.command("PEXPIRE", table, netMs);
      const row = await this.#tables.row(table, digest);
      const said = row && decodeSaid(row, key.totalPieces, () => Bitfield.full(key.totalPieces));
      if (said) await this.#index(key, said.fileName);
    }
  }

  swarm(key: SwarmKey): Promise<SwarmSnapshot | undefined> {
    const { infoHash, totalPieces } = key;
    return this.#tables.read<SwarmSnapshot>(this.#parts.keys.swarm(swarmIdOf(key)), {
      make: (rows) => {
        const members = this.#members(rows, totalPieces);
        return members.length > 0 ? { infoHash, totalPieces, members } : undefined;
      },
      onEnded: (digest) => this.remove(key, digest),
    });
  }

  async ofInfoHash(infoHash: string): Promise<SwarmKey[]> {
    return this.#whichHold(this.#parts.keys.infoHash(infoHash), (swarm) => swarm !== undefined);
  }

  async named(fileName: string): Promise<SwarmKey[]> {
    return this.#whichHold(this.#parts.keys.name(fileName), (swarm) =>
      Boolean(swarm?.members.some((member) => member.fileName === fileName)),
    );
  }

  async some(limit: number): Promise<SwarmKey[]> {
    const { connection, keys } = this.#parts;
    const ids = (await connection.command("ZRANGE", keys.swarms, 0, limit - 1)) as Buffer[];
    return ids.flatMap((id) => parseSwarmId(String(id)) ?? []);
  }

  async count(): Promise<number> {
    return Number(await this.#parts.connection.command("ZCARD", this.#parts.keys.swarms));
  }

  /** What a lease's row takes in the swarm of this info hash that it is in; 0 if it is in none. */
  async #bytesOf(digest: string, infoHash: string): Promise<number> {
    const { connection, keys } = this.#parts;
    const totalPieces = Number(await connection.command("HGET", keys.joined(digest), infoHash));
    if (totalPieces === 0) return 0;
    const row = await this.#tables.row(keys.swarm(swarmIdOf({ infoHash, totalPieces })), digest);
    const said = row && decodeSaid(row, totalPieces, () => Bitfield.full(totalPieces));
    return said ? bytesOf(said.bitfield) : 0;
  }

  /** Writes down that the lease takes part; if it said another number of pieces before, it leaves that swarm. */
  async #note(digest: string, { infoHash, totalPieces }: SwarmKey): Promise<void> {
    const { connection, keys, limits, now, netMs } = this.#parts;
    const before = String(
      await connection.script(
        scripts.noteJoined,
        [keys.leases, keys.joined(digest)],
        [now() ?? "", digest, infoHash, totalPieces, limits.maxTorrentsPerLease, netMs],
      ),
    );
    if (before === "ended") throw new PiezaError("not_found", "the lease has ended");
    if (before === "full") refuse("torrents of one peer");
    const other = before === "" ? totalPieces : Number(before);
    if (other !== totalPieces) await this.remove({ infoHash, totalPieces: other }, digest);
  }

  /** Where readers look. Written after the swarm itself, every time, in case that somebody died in between. */
  async #index(key: SwarmKey, fileName: string): Promise<void> {
    const { connection, keys, netMs } = this.#parts;
    const sets = [keys.infoHash(key.infoHash), keys.name(fileName)];
    await Promise.all(
      sets.flatMap((set) => [
        connection.command("SADD", set, swarmIdOf(key)),
        connection.command("PEXPIRE", set, netMs),
      ]),
    );
  }

  #members(rows: readonly LiveRow[], totalPieces: number): SwarmMember[] {
    let shared: Bitfield | undefined;
    const full = () => {
      shared ??= Bitfield.full(totalPieces);
      return shared;
    };
    return rows.flatMap((row) => {
      const said = decodeSaid(row, totalPieces, full);
      if (!said) this.#parts.onGarbage();
      const { id, url } = row.lease;
      return said ? [{ leaseId: id, url, ...shownOf(row.lease), ...said }] : [];
    });
  }

  async #noteChange(swarmId: string): Promise<void> {
    const { connection, keys, netMs } = this.#parts;
    await connection.script(scripts.noteChange, [keys.changes, keys.changed], [swarmId, netMs]);
  }

  /** Those of a set's swarms of which it is true what the set says. */
  async #whichHold(set: string, holds: (swarm: SwarmSnapshot | undefined) => boolean): Promise<SwarmKey[]> {
    const ids = (await this.#parts.connection.command("SMEMBERS", set)) as Buffer[];
    const found: SwarmKey[] = [];
    for (const id of ids) {
      const key = parseSwarmId(String(id));
      if (!key) this.#parts.onGarbage();
      else if (holds(await this.swarm(key))) found.push(key);
      else await this.#forget(set, String(id), async () => holds(await this.swarm(key)));
    }
    return found;
  }

  /**
   * Takes a swarm out of a set, unless somebody has come in meanwhile: who joins writes the swarm first, then the
   * set.
   */
  async #forget(set: string, swarmId: string, holds: () => Promise<boolean>): Promise<void> {
    const { connection } = this.#parts;
    await connection.command("SREM", set, swarmId);
    if (await holds()) await connection.command("SADD", set, swarmId);
  }

  async #exists(key: SwarmKey): Promise<boolean> {
    return Number(await this.#parts.connection.command("EXISTS", this.#parts.keys.swarm(swarmIdOf(key)))) > 0;
  }
}
