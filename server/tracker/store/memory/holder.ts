import type { Seat } from "../rules/swarm-rules.ts";
import type { PeerLease } from "../swarm-store.ts";

/**
 * A lease of a MemorySwarmStore and its seats in swarms, by info hash.
 *
 * The first seat has a field and only the others a map, because most peers are in one torrent and each object that a
 * heartbeat reads costs a memory access (docs/v8.md).
 */
export class Holder {
  lease: PeerLease;
  /** Whole ms on the store's clock (see docs/v8.md); -1 once the lease has ended. */
  expiresAtMs: number;
  #first: Seat | undefined;
  #others: Map<string, Seat> | undefined;

  constructor(lease: PeerLease, expiresAtMs: number) {
    this.lease = lease;
    this.expiresAtMs = expiresAtMs;
  }

  get seatCount(): number {
    return (this.#first ? 1 : 0) + (this.#others?.size ?? 0);
  }

  seatOf(infoHash: string): Seat | undefined {
    return this.#first?.infoHash === infoHash ? this.#first : this.#others?.get(infoHash);
  }

  /** The seat's info hash must have no seat here yet. */
  add(seat: Seat): void {
    if (!this.#first) {
      this.#first = seat;
      return;
    }
    this.#others ??= new Map();
    this.#others.set(seat.infoHash, seat);
  }

  remove(seat: Seat): void {
    if (this.#first === seat) this.#first = undefined;
    else this.#others?.delete(seat.infoHash);
  }

  /** A copy, so that the caller may remove seats while it iterates. */
  seats(): readonly Seat[] {
    return [...(this.#first ? [this.#first] : []), ...(this.#others?.values() ?? [])];
  }
}
