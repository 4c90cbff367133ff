import type { PeerLease } from "../store/swarm-store.ts";

/** What is known of a peer's address. */
export interface Reachability {
  readonly listed: boolean;
  /** Why not, in words; empty when listed. */
  readonly reason: string;
  /** Somebody answered there with the key of this announce: it outweighs a lease that another holds. */
  readonly proven: boolean;
}

/** Whose address it is, and how it proves that. */
export type CheckedPeer = Pick<PeerLease, "url" | "source" | "identifyKey">;

/**
 * Says whether a peer may be named to others. Who cannot be reached is no failure: it is not listed. Rejects only with
 * the reason of `signal`.
 */
export interface ReachabilityCheck {
  check(peer: CheckedPeer, signal: AbortSignal): Promise<Reachability>;
}

/** Believes every peer whose address is allowed; whoever asks finds out for itself. Proves nothing. */
export const trustAllowedNetworks: ReachabilityCheck = {
  check: async () => ({ listed: true, reason: "", proven: false }),
};
