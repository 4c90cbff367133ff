import type { Bitfield } from "#core/bitfield.ts";
import type { SwarmKey } from "#core/tracker.ts";
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
    if (member) this.put({ ...member, listed: lease.listed, draining: lease.draining });
  }

  /** Made again only after a change. */
  snapshot(): Swarm {
    this.#snapshot ??= { ...this.key, members: [...this.#members.values()] };
    return this.#snapshot;
  }
}

/** Bytes that a member takes, near enough for a cap. */
export function bytesOf(bitfield: Bitfield): number {
  return OBJECT_BYTES + (bitfield.complete ? 0 : Math.ceil(bitfield.size / 8));
}

/** Bytes that a swarm takes beside its members: itself, and the bitfield that complete members share. */
export function bytesOfSwarm(key: SwarmKey): number {
  return OBJECT_BYTES + Math.ceil(key.totalPieces / 8);
}
