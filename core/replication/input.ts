import type { PieceRange, SwarmKey, VolunteerOffer } from "../ports/tracker.ts";
import type { Copies } from "./copies.ts";

export interface PlanPeer {
  readonly leaseId: string;
  readonly url: string;
  readonly zone: string;
}

export type PlanHolder = PlanPeer & Copies;

/** A listed peer that stays and lends space. */
export interface PlanVolunteer extends PlanPeer, Pick<VolunteerOffer, "freeBytes" | "bytesPerSecond"> {
  /** `hashOfText(url)`: the same after a restart. Rendezvous hashing places pieces by it. */
  readonly urlHash: number;
  /** Orders that the peer carries out, in this swarm and others. */
  readonly orders: number;
}

/** An order under way. A volunteer has at most one in a swarm. */
export interface PlanOrder extends Omit<PlanPeer, "url"> {
  readonly ranges: readonly PieceRange[];
}

export interface PlanCaps {
  /** Orders that one peer carries out at a time, and that one peer serves at a time. Default 2. */
  readonly maxOrdersPerPeer: number;
  /** Orders under way over all swarms. Default 1,000. */
  readonly maxOrders: number;
  /** Bytes of one order; at least a piece. Default 256 MiB. */
  readonly maxOrderBytes: number;
}

export const defaultPlanCaps: PlanCaps = {
  maxOrdersPerPeer: 2,
  maxOrders: 1_000,
  maxOrderBytes: 256 << 20,
};

/** One swarm at one moment, and the volunteers that could help it. */
export interface PlanInput extends SwarmKey {
  /** Wanted copies of every piece. */
  readonly target: number;
  /** Bytes of the longest piece. */
  readonly pieceBytes: number;
  readonly holders: readonly PlanHolder[];
  readonly volunteers: readonly PlanVolunteer[];
  /** Oldest first. */
  readonly orders: readonly PlanOrder[];
  /** Orders of which this peer is a source, over all swarms. */
  readonly served: (url: string) => number;
  /** Orders under way, over all swarms. */
  readonly underWay: number;
  readonly caps: PlanCaps;
}
