import { equalBytes } from "../store/lease-secret.ts";
import type { PeerLease, SwarmStore } from "../store/swarm-store.ts";
import type { ReachabilityCheck } from "./reachability.ts";

/** Decides between two peers that claim one address. Anybody can claim one; what counts is who answers there. */
export class Contest {
  readonly #store: SwarmStore;
  readonly #reachability: ReachabilityCheck;

  constructor(store: SwarmStore, reachability: ReachabilityCheck) {
    this.#store = store;
    this.#reachability = reachability;
  }

  /** Ends the lease that holds the newcomer's address, unless that lease keeps it. Dials for 4 s at most. */
  async settle(newcomer: PeerLease, signal: AbortSignal): Promise<void> {
    const holder = newcomer.address === "" ? undefined : await this.#store.holderOf(newcomer.address);
    if (holder && (await this.#yields(holder, newcomer, signal))) await this.#store.end(holder.id);
  }

  async #yields(holder: PeerLease, newcomer: PeerLease, signal: AbortSignal): Promise<boolean> {
    const { legacy } = newcomer;
    if (!legacy && (await this.#proves(newcomer, holder, signal))) return true;
    // A legacy peer has called from that very address, and the other may only have named it.
    if (holder.legacy) return false;
    // A peer that was reached may be too busy for one dial, and a stranger could repeat that dial at will.
    if (holder.listed && !legacy) return false;
    const { listed } = await this.#reachability.check(holder, signal);
    return !listed;
  }

  /** Whether the newcomer has the holder's key, or is found at the address with its own. */
  async #proves(newcomer: PeerLease, { identifyKey }: PeerLease, signal: AbortSignal): Promise<boolean> {
    if (newcomer.identifyKey.length > 0 && equalBytes(identifyKey, newcomer.identifyKey)) return true;
    const { proven } = await this.#reachability.check(newcomer, signal);
    return proven;
  }
}
