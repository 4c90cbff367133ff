import type { PeerLease } from "./swarm-store.ts";

/** What is known of a peer's address. */
export interface Reachability {
  readonly listed: boolean;
  /** Why not, in words; empty when listed. */
  readonly reason: string;
  /** Somebody answered there with the key of this announce: it outweighs a lease that another holds. */
  readonly proven: boolean;
}

/** Says whether a peer may be named to others. Never fails: who cannot be reached has a lease and is not listed. */
export interface ReachabilityCheck {
  check(peer: Pick<PeerLease, "url" | "address" | "identifyKey">, signal: AbortSignal): Promise<Reachability>;
}

/** Believes every peer whose address is allowed; whoever asks finds out for itself. Proves nothing. */
export const trustAllowedNetworks: ReachabilityCheck = {
  check: async () => ({ listed: true, reason: "", proven: false }),
};
