import { Bitfield } from "#core/base/bitfield.ts";
import type { PieceRange, SwarmKey } from "#core/ports/tracker.ts";
import { refuse, refuseEnded } from "../refuse.ts";
import { bytesOf, bytesOfSwarm, shownOf, withoutPieces } from "../rules/swarm-rules.ts";
import type { Membership, SwarmChanges, SwarmMember, SwarmSnapshot } from "../swarm-store.ts";
import { decodeSaid, encodeSaid } from "./codec.ts";
import { digestOf, parseSwarmId, swarmIdOf } from "./keys.ts";
import * as scripts from "./scripts.ts";
import { addToSet, removeFromSet, swarmsIn } from "./sets.ts";
import type { LiveRow, TableParts } from "./tables.ts";

/** Tries to change a swarm that other calls change at the same time. */
const MAX_TRIES = 5;

/**
 * The swarms of a RedisSwarmStore: a table for each, and sets that list the swarms of an info hash or a file name. A
 * set may list a swarm that is gone, and lacks one only between the writes of the two: readers check, and remove what
 * is wrong.
 */
export class RedisSwarms {
  readonly #parts: TableParts;

  constructor(parts: TableParts) {
    this.#parts = parts;
  }

  /** Implements SwarmStore.join for a live lease. */
  async join(digest: string, membership: Membership, replace: boolean): Promise<boolean> {
    const { keys } = this.#parts;
    const swarmId = swarmIdOf(membership);
    const key = keys.swarm(swarmId);
    const known = await this.#parts.tables.row(key, digest);
    const { bitfield, revision, fileName, replicationTarget, pieceLength } = membership;
    if (!bitfield) return known?.revision === revision;
    if (known && !replace && revision <= known.revision) return true;

    const swarmBytes = bytesOfSwarm(membership);
    const grows = bytesOf(bitfield) - (await this.#bytesOf(digest, membership.infoHash));
    await this.#parts.accounts.checkSwarm(swarmId, grows, swarmBytes);
    await this.#note(digest, membership);
    const row = encodeSaid({ fileName, revision, bitfield, replicationTarget, pieceLength });
    const bytes = await this.#parts.tables.put(key, digest, row, { replace, tableBytes: swarmBytes });
    if (bytes !== undefined) await this.#parts.accounts.set(keys.swarms, swarmId, bytes);
    await this.#index(membership, fileName);
    await this.#noteChange(swarmId);
    return true;
  }

  /** Implements SwarmStore.withdraw. Tries again when another call has changed the swarm meanwhile. */
  async withdraw(id: string, key: SwarmKey, ranges: readonly PieceRange[], least: number): Promise<boolean> {
    const { keys } = this.#parts;
    const swarmId = swarmIdOf(key);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const swarm = await this.swarm(key);
      const bitfield = swarm && withoutPieces(swarm.members, id, ranges, least);
      const member = swarm?.members.find(({ leaseId }) => leaseId === id);
      if (!bitfield || !member) return bitfield !== undefined;
      const row = encodeSaid({ ...member, bitfield });
      const version = this.#parts.tables.versionOf(swarm);
      const how = { replace: true, tableBytes: bytesOfSwarm(key), version };
      const bytes = await this.#parts.tables.put(keys.swarm(swarmId), digestOf(id), row, how);
      if (bytes === undefined) continue;
      await this.#parts.accounts.set(keys.swarms, swarmId, bytes);
      await this.#noteChange(swarmId);
      return true;
    }
    return false;
  }

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

  /** Removes a lease's row from one swarm. */
  async remove(key: SwarmKey, digest: string): Promise<void> {
    const { keys } = this.#parts;
    const swarmId = swarmIdOf(key);
    const bytes = await this.#parts.tables.remove(keys.swarm(swarmId), digest);
    // A tracker that removed the row before may have died before it noted the change.
    if (bytes !== 0) await this.#noteChange(swarmId);
    if (bytes === undefined) return;
    await this.#parts.accounts.set(keys.swarms, swarmId, bytes);
    if (bytes > 0) return;
    await this.#parts.connection.command("ZREM", keys.changed, swarmId);
    await removeFromSet(this.#parts, keys.infoHash(key.infoHash), key, () => this.#exists(key));
  }

  /** Gives a swarm a new version, because a lease in it has changed. */
  async touch(key: SwarmKey, digest: string): Promise<void> {
    const swarmId = swarmIdOf(key);
    await this.#parts.tables.touch(this.#parts.keys.swarm(swarmId), digest);
    await this.#noteChange(swarmId);
  }

  /** Renews the expiry of all keys of the swarms that a lease takes part in. */
  async renewNet(digest: string): Promise<void> {
    const { connection, keys, netMs } = this.#parts;
    for (const key of await this.joined(digest)) {
      await connection.command("PEXPIRE", keys.swarm(swarmIdOf(key)), netMs);
      const said = await this.#said(key, digest);
      if (said) await this.#index(key, said.fileName);
    }
  }

  swarm(key: SwarmKey): Promise<SwarmSnapshot | undefined> {
    const { infoHash, totalPieces } = key;
    return this.#parts.tables.read<SwarmSnapshot>(this.#parts.keys.swarm(swarmIdOf(key)), {
      make: (rows) => {
        const members = this.#members(rows, totalPieces);
        return members.length > 0 ? { infoHash, totalPieces, members } : undefined;
      },
      onEnded: (digest) => this.remove(key, digest),
    });
  }

  async ofInfoHash(infoHash: string): Promise<SwarmKey[]> {
    return this.#checked(this.#parts.keys.infoHash(infoHash), (swarm) => swarm !== undefined);
  }

  async named(fileName: string): Promise<SwarmKey[]> {
    return this.#checked(this.#parts.keys.name(fileName), (swarm) =>
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

  /** The bytes of a lease's row in the swarm of this info hash; 0 without one. */
  async #bytesOf(digest: string, infoHash: string): Promise<number> {
    const { connection, keys } = this.#parts;
    const totalPieces = Number(await connection.command("HGET", keys.joined(digest), infoHash));
    if (totalPieces === 0) return 0;
    const said = await this.#said({ infoHash, totalPieces }, digest);
    return said ? bytesOf(said.bitfield) : 0;
  }

  async #said(key: SwarmKey, digest: string) {
    const row = await this.#parts.tables.row(this.#parts.keys.swarm(swarmIdOf(key)), digest);
    return row && decodeSaid(row, key.totalPieces, () => Bitfield.full(key.totalPieces));
  }

  /** Notes that the lease takes part. Removes it from a swarm with another number of pieces, if it was in one. */
  async #note(digest: string, { infoHash, totalPieces }: SwarmKey): Promise<void> {
    const { connection, keys, limits, now, netMs } = this.#parts;
    const before = String(
      await connection.script(
        scripts.noteJoined,
        [keys.leases, keys.joined(digest)],
        [now() ?? "", digest, infoHash, totalPieces, limits.maxTorrentsPerLease, netMs],
      ),
    );
    if (before === "ended") refuseEnded();
    if (before === "full") refuse("torrents of one peer");
    const other = before === "" ? totalPieces : Number(before);
    if (other !== totalPieces) await this.remove({ infoHash, totalPieces: other }, digest);
  }

  /**
   * Adds a swarm to its sets. Called after each write of the swarm, in case a tracker died between the two before.
   */
  async #index(key: SwarmKey, fileName: string): Promise<void> {
    const { keys } = this.#parts;
    const sets = [keys.infoHash(key.infoHash), keys.name(fileName)];
    await Promise.all(sets.map((set) => addToSet(this.#parts, set, swarmIdOf(key))));
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

  /** The swarms of a set for which `belongs` holds. Removes the others from the set. */
  async #checked(set: string, belongs: (swarm: SwarmSnapshot | undefined) => boolean): Promise<SwarmKey[]> {
    const found: SwarmKey[] = [];
    for (const key of await swarmsIn(this.#parts, set)) {
      if (belongs(await this.swarm(key))) found.push(key);
      else await removeFromSet(this.#parts, set, key, async () => belongs(await this.swarm(key)));
    }
    return found;
  }

  async #exists(key: SwarmKey): Promise<boolean> {
    return Number(await this.#parts.connection.command("EXISTS", this.#parts.keys.swarm(swarmIdOf(key)))) > 0;
  }
}
