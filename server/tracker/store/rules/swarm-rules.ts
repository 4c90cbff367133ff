import { Bitfield } from "#core/base/bitfield.ts";
import type { PieceRange, SwarmKey } from "#core/ports/tracker.ts";
import { CopyCount } from "#core/replication/copies.ts";
import { wordsOf, wordsOfRanges } from "#core/replication/words.ts";
import type { PeerLease, SwarmMember, SwarmSnapshot } from "../swarm-store.ts";

/** What a member costs beside its bitfield, and a swarm beside its members: objects, map entries, strings. As measured. */
const MEMBER_BYTES = 640;
const SWARM_BYTES = 1_024;

/** A lease's place in a swarm. All that a heartbeat looks at lies here: with a million peers each step to another object waits for memory. */
export interface Seat {
  readonly swarm: MemorySwarm;
  readonly infoHash: string;
  readonly totalPieces: number;
  member: SwarmMember;
  /** The member's. */
  revision: number;
}

/** One swarm of a MemorySwarmStore: its members, and the picture of them that readers share. */
export class MemorySwarm {
  readonly key: SwarmKey;
  readonly #seats = new Set<Seat>();
  /** What all complete members share, so that a seeder costs no bitfield. */
  #full: Bitfield | undefined;
  #snapshot: SwarmSnapshot | undefined;

  constructor(key: SwarmKey) {
    this.key = { infoHash: key.infoHash, totalPieces: key.totalPieces };
  }

  get size(): number {
    return this.#seats.size;
  }

  add(member: SwarmMember): Seat {
    const seat = { swarm: this, ...this.key, member, revision: member.revision };
    this.#seats.add(seat);
    this.put(seat, member);
    return seat;
  }

  /** The seat's member says something else than before. */
  put(seat: Seat, member: SwarmMember): void {
    if (member.bitfield.complete) this.#full ??= member.bitfield;
    seat.member = member.bitfield.complete ? { ...member, bitfield: this.#full! } : member;
    seat.revision = member.revision;
    this.#snapshot = undefined;
  }

  remove(seat: Seat): void {
    this.#seats.delete(seat);
    this.#snapshot = undefined;
  }

  /** Made again only after a change. */
  snapshot(): SwarmSnapshot {
    this.#snapshot ??= { ...this.key, members: Array.from(this.#seats, ({ member }) => member) };
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
  return MEMBER_BYTES + (bitfield.complete ? 0 : Math.ceil(bitfield.size / 8));
}

/** Bytes that a swarm takes beside its members: itself, and the bitfield that complete members share. */
export function bytesOfSwarm(key: SwarmKey): number {
  return SWARM_BYTES + Math.ceil(key.totalPieces / 8);
}
