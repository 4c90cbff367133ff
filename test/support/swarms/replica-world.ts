import { Bitfield } from "#core/base/bitfield.ts";
import { hashOfText } from "#core/base/rendezvous.ts";
import { defaultPlanCaps, type PlanCaps, type PlanInput, type PlanOrder } from "#core/replication/input.ts";
import { type NewOrder, planReplication, type ReplicationPlan } from "#core/replication/plan.ts";
import { piecesIn } from "#core/replication/words.ts";
import { infoHash } from "./router-tracker.ts";

export const PIECE_BYTES = 1 << 20;

export interface WorldPeer {
  readonly leaseId: string;
  readonly url: string;
  readonly zone: string;
  /** Room for so many pieces in all. */
  readonly capacity: number;
  bitfield: Bitfield;
  listed: boolean;
  draining: boolean;
  alive: boolean;
}

interface WorldOrder extends PlanOrder {
  readonly sources: readonly string[];
}

/** One swarm of peers that do at once what the plan says, whenever a test lets them. */
export class ReplicaWorld {
  readonly size: number;
  readonly target: number;
  readonly caps: PlanCaps;
  readonly peers: WorldPeer[] = [];
  orders: WorldOrder[] = [];
  /** Pieces copied since the start. */
  moved = 0;

  constructor(size: number, target: number, caps: Partial<PlanCaps> = {}) {
    this.size = size;
    this.target = target;
    this.caps = { ...defaultPlanCaps, ...caps };
  }

  add(pieces: Iterable<number>, { zone = "", capacity = this.size } = {}): WorldPeer {
    const at = this.peers.length;
    const bitfield = Bitfield.of(this.size, pieces);
    const url = `http://10.0.0.${at}:50051`;
    const peer = {
      leaseId: `lease-${at}`,
      url,
      zone,
      capacity,
      bitfield,
      listed: true,
      draining: false,
      alive: true,
    };
    this.peers.push(peer);
    return peer;
  }

  get live(): WorldPeer[] {
    return this.peers.filter(({ alive }) => alive);
  }

  input(): PlanInput {
    const held = new Map(this.orders.map(({ leaseId, ranges }) => [leaseId, piecesIn(ranges)]));
    return {
      infoHash: infoHash("1"),
      totalPieces: this.size,
      target: this.target,
      pieceBytes: PIECE_BYTES,
      holders: this.live.filter(({ bitfield }) => bitfield.count > 0),
      volunteers: this.live
        .filter(({ listed, draining }) => listed && !draining)
        .map(({ leaseId, url, zone, capacity, bitfield }) => ({
          leaseId,
          url,
          urlHash: hashOfText(url),
          zone,
          freeBytes: (capacity - bitfield.count - (held.get(leaseId) ?? 0)) * PIECE_BYTES,
          bytesPerSecond: 0,
          orders: held.has(leaseId) ? 1 : 0,
        })),
      orders: this.orders,
      served: (url) => this.orders.filter(({ sources }) => sources.includes(url)).length,
      underWay: this.orders.length,
      caps: this.caps,
    };
  }

  /** Plans once, and the orders are under way. */
  plan(): ReplicationPlan {
    const plan = planReplication(this.input());
    for (const { leaseId, ranges } of plan.cut) {
      this.orders = this.orders.flatMap((order) =>
        order.leaseId !== leaseId ? [order] : ranges.length > 0 ? [{ ...order, ranges }] : [],
      );
    }
    this.orders.push(...plan.give.map(underWay));
    return plan;
  }

  /** This order is carried out. */
  carryOut(order: WorldOrder): void {
    const peer = this.peers.find(({ leaseId }) => leaseId === order.leaseId)!;
    peer.bitfield = peer.bitfield.clone();
    for (const { first, last } of order.ranges)
      for (let index = first; index <= last; index++) if (peer.bitfield.set(index)) this.moved++;
    this.orders = this.orders.filter((other) => other !== order);
  }

  /** Plans and carries out until there is nothing to order any more. Returns in how many rounds. */
  settle(most = 200): number {
    for (let round = 0; round < most; round++) {
      const { give } = this.plan();
      if (give.length === 0 && this.orders.length === 0) return round;
      for (const order of this.orders) this.carryOut(order);
    }
    throw new Error(`not settled after ${most} rounds`);
  }

  /** A peer is gone, and its orders with it. */
  kill(peer: WorldPeer): void {
    peer.alive = false;
    this.orders = this.orders.filter(({ leaseId }) => leaseId !== peer.leaseId);
  }

  /** Copies among peers that stay, by piece. */
  copies(): number[] {
    const staying = this.live.filter(({ listed, draining }) => listed && !draining);
    return this.#each((index) => staying.filter(({ bitfield }) => bitfield.has(index)).length);
  }

  /** Pieces to be copied before every piece that somebody has is where it should be. */
  missing(): number {
    const staying = this.live.filter(({ listed, draining }) => listed && !draining).length;
    const sources = this.live.filter(({ listed }) => listed);
    return this.#each((index) => {
      if (!sources.some(({ bitfield }) => bitfield.has(index))) return 0;
      return Math.max(0, Math.min(this.target, staying) - this.copies()[index]!);
    }).reduce((sum, count) => sum + count, 0);
  }

  #each<T>(of: (index: number) => T): T[] {
    return Array.from({ length: this.size }, (_, index) => of(index));
  }
}

function underWay({ volunteer: { leaseId, zone }, ranges, sources }: NewOrder): WorldOrder {
  return { leaseId, zone, ranges, sources };
}
