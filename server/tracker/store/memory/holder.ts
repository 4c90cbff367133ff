import type { Seat } from "../rules/swarm-rules.ts";
import type { PeerLease } from "../swarm-store.ts";

/**
 * A lease of a MemorySwarmStore, and its seats in swarms, by info hash.
 *
 * What a heartbeat looks at is as close together as can be: with a million peers each step to another object waits for
 * memory. So the first seat is kept beside a map of the others (most peers are in one torrent), and times are whole.
 */
export class Holder {
  lease: PeerLease;
  /** Whole ms on the store's clock, which V8 keeps in here for the first 24 days; -1 once the lease has ended. */
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

  /** Of an info hash that has no seat here yet. */
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

  /** Those that are there now: they may be removed meanwhile. */
  seats(): readonly Seat[] {
    return [...(this.#first ? [this.#first] : []), ...(this.#others?.values() ?? [])];
  }
}
