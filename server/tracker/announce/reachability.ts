import type { PeerLease } from "../store/swarm-store.ts";

/** The result of checking a peer's address. */
export interface Reachability {
  readonly listed: boolean;
  /** Why the peer is not listed, in words; empty when it is. */
  readonly reason: string;
  /** The peer at the address knows the key of this announce. That outweighs another lease that holds the address. */
  readonly proven: boolean;
}

/** The peer to check, and the key that proves its address. */
export type CheckedPeer = Pick<PeerLease, "url" | "source" | "identifyKey">;

/** Checks whether a peer may be named to others. Rejects only with the reason of `signal`. */
export interface ReachabilityCheck {
  check(peer: CheckedPeer, signal: AbortSignal): Promise<Reachability>;
}
