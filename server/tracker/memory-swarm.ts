import { Bitfield } from "#core/bitfield.ts";
import { CopyCount } from "#core/replication-copies.ts";
import { wordsOf, wordsOfRanges } from "#core/replication-words.ts";
import type { PieceRange, SwarmKey } from "#core/tracker.ts";
import type { PeerLease, Swarm, SwarmMember } from "./swarm-store.ts";

/** What a member or a swarm costs beside its bitfield: objects, map entries, strings. */
const OBJECT_BYTES = 512;

/** One swarm of a MemorySwarmStore: its members, and the picture of them that readers share. */
export class MemorySwarm {
  readonly key: SwarmKey;
  readonly #members = new Map<string, SwarmMember>();
  /** What all complete members share, so that a seeder costs no bitfield. */
  #full: Bitfield | undefined;
  #snapshot: Swarm | undefined;

  constructor(key: SwarmKey) {
    this.key = { infoHash: key.infoHash, totalPieces: key.totalPieces };
  }

  get size(): number {
    return this.#members.size;
  }

  member(leaseId: string): SwarmMember | undefined {
    return this.#members.get(leaseId);
  }

  put(member: SwarmMember): void {
    if (member.bitfield.complete) this.#full ??= member.bitfield;
    const bitfield = member.bitfield.complete ? this.#full! : member.bitfield;
    this.#members.set(member.leaseId, { ...member, bitfield });
    this.#snapshot = undefined;
  }

  remove(leaseId: string): void {
    this.#members.delete(leaseId);
    this.#snapshot = undefined;
  }

  /** A member's lease says something else than before. */
  leaseChanged(lease: PeerLease): void {
    const member = this.#members.get(lease.id);
    if (member) this.put({ ...member, ...shownOf(lease) });
  }

  /** Made again only after a change. */
  snapshot(): Swarm {
    this.#snapshot ??= { ...this.key, members: [...this.#members.values()] };
    return this.#snapshot;
  }
}

/** What members show of their leases. */
export function shownOf({ listed, draining, zone = "", volunteer }: PeerLease) {
  return { listed, draining, zone, volunteer: volunteer !== undefined };
}

/** Whether members show something else after a lease has changed. */
export function showsChange(before: PeerLease, after: PeerLease): boolean {
  const [a, b] = [shownOf(before), shownOf(after)];
  return (
    a.listed !== b.listed || a.draining !== b.draining || a.zone !== b.zone || a.volunteer !== b.volunteer
  );
}

/** What a member has without these pieces; undefined if one of them has too few copies among others that stay. */
export function withoutPieces(
  members: readonly SwarmMember[],
  leaseId: string,
  ranges: readonly PieceRange[],
  least: number,
): Bitfield | undefined {
  const member = members.find((member) => member.leaseId === leaseId);
  const size = member?.bitfield.size ?? members[0]?.bitfield.size ?? 0;
  const copies = new CopyCount(size, least);
  for (const other of members)
    if (other !== member && other.listed && !other.draining) copies.add(wordsOf(other.bitfield));
  const dropped = wordsOfRanges(ranges, size);
  for (let at = 0; at < dropped.length; at++)
    if ((dropped[at]! & ~copies.enoughAt(at)) !== 0) return undefined;
  const left = member?.bitfield.clone() ?? new Bitfield(size);
  for (const { first, last } of ranges) for (let index = first; index <= last; index++) left.clear(index);
  return left;
}

/** Bytes that a member takes, near enough for a cap. */
export function bytesOf(bitfield: Bitfield): number {
  return OBJECT_BYTES + (bitfield.complete ? 0 : Math.ceil(bitfield.size / 8));
}

/** Bytes that a swarm takes beside its members: itself, and the bitfield that complete members share. */
export function bytesOfSwarm(key: SwarmKey): number {
  return OBJECT_BYTES + Math.ceil(key.totalPieces / 8);
}
