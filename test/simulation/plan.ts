import type { Random } from "#core/base/clock.ts";
import type { SyncMode } from "../../server/peer/stores/file-piece-store.ts";
import { seededRandom } from "../support/swarms/fake-swarm.ts";

/** How a process ends: as by SIGKILL, with its machine's power, or in good order. */
export type End = "kill" | "power cut" | "stop";

/** From `fromMs` on, until `toMs`. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What a dishonest peer does with a piece that it was asked for, as probabilities. */
export interface Lies {
  readonly flipsBit: number;
  readonly cutsShort: number;
  readonly sendsMore: number;
  readonly sendsAnother: number;
  /** It says that it has everything. */
  readonly claimsAll: boolean;
}

export interface PeerPlan {
  /** Pieces that it has from the beginning, in a place that nothing destroys; a leecher has none. */
  readonly has: "all" | "none" | readonly number[];
  /** Bytes per second that it sends. */
  readonly rate: number;
  readonly latencyMs: readonly [number, number];
  /** Of an answer to break off in the middle. */
  readonly pBreakOff: number;
  readonly lies: Lies | undefined;
  readonly sync: SyncMode;
  readonly absences: readonly (Span & { readonly end: End })[];
  readonly pauses: readonly Span[];
  readonly disk: {
    /** Bytes that it takes before it is full. */
    readonly roomBytes: number;
    /** Which call fails, counted over all runs; 0 for none. */
    readonly failKth: number;
    readonly syncMs: readonly [number, number];
  };
}

/** Everything that goes wrong in one simulation, and when. Made from a seed alone. */
export interface FaultPlan {
  readonly seed: number;
  readonly lengthBytes: number;
  readonly pieceLength: number;
  readonly maxInFlightBytes: number;
  readonly peers: readonly PeerPlan[];
  readonly trackers: readonly { readonly absences: readonly (Span & { readonly wiped: boolean })[] }[];
  /** Links by the places of hosts: peers first, then trackers. One way each. */
  readonly partitions: readonly (Span & { readonly links: readonly (readonly [number, number])[] })[];
  /** When the wall clock jumps, and by how much. */
  readonly clockJumps: readonly { readonly atMs: number; readonly byMs: number }[];
  /** Faults end here; then all is well, and every download has to end well too. */
  readonly healMs: number;
}

/** The dice of a plan. */
class Dice {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** A whole number, both ends included. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }

  /** Small and large ones alike. */
  magnitude(from: number, to: number): number {
    return Math.round(from * (to / from) ** this.#random());
  }

  one<T>(list: readonly T[]): T {
    return list[this.whole(0, list.length - 1)]!;
  }

  range(low: number, high: number): readonly [number, number] {
    const from = this.whole(low, high);
    return [from, this.whole(from, high)];
  }

  /** Up to `most` of what `make` gives. */
  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.whole(0, most) }, make);
  }

  span(endMs: number): Span {
    const fromMs = this.whole(0, endMs - 1);
    return { fromMs, toMs: this.whole(fromMs + 1, endMs) };
  }
}

/** Four of five swarms have 2 to 5 peers; few have up to 50, for what only shows among many. */
function swarmSize(dice: Dice): number {
  if (dice.chance(0.8)) return dice.whole(2, 5);
  return dice.chance(0.85) ? dice.whole(6, 15) : dice.whole(16, 50);
}

export function planOf(seed: number): FaultPlan {
  const dice = new Dice(seededRandom(seed));
  const pieces = dice.whole(1, 24);
  const pieceLength = dice.whole(32, 400);
  const lengthBytes = dice.chance(0.03)
    ? 0
    : (pieces - 1) * pieceLength + (dice.chance(0.3) ? pieceLength : dice.whole(1, pieceLength));
  const size = swarmSize(dice);
  const healMs = dice.whole(2_000, size > 15 ? 15_000 : 40_000);
  const trackers = dice.chance(0.2) ? 2 : 1;
  return {
    seed,
    lengthBytes,
    pieceLength,
    maxInFlightBytes: pieceLength * dice.whole(1, 12),
    peers: peersOf(dice, size, lengthBytes === 0 ? 1 : pieces, healMs),
    trackers: Array.from({ length: trackers }, () => ({
      absences: dice.some(2, () => ({ ...dice.span(healMs), wiped: dice.chance(0.5) })),
    })),
    partitions: dice.some(3, () => ({ ...dice.span(healMs), links: linksOf(dice, size, trackers) })),
    clockJumps: dice.some(4, () => ({
      atMs: dice.whole(0, healMs),
      byMs: dice.one([3_600_000, -3_600_000, -86_400_000, 60_000, -1]),
    })),
    healMs,
  };
}

function peersOf(dice: Dice, size: number, pieces: number, healMs: number): PeerPlan[] {
  const halves = dice.chance(0.3) && size > 2;
  const split = dice.whole(0, pieces);
  const indices = Array.from({ length: pieces }, (_, index) => index);
  return Array.from({ length: size }, (_, n) => {
    const has = halves && n < 2 ? (n === 0 ? indices.slice(0, split) : indices.slice(split)) : undefined;
    // The first ones are honest, and together they have every piece.
    const needed = halves ? n < 2 : n === 0;
    return {
      has: has ?? (needed || dice.chance(0.2) ? "all" : "none"),
      rate: dice.magnitude(300, 200_000),
      latencyMs: dice.range(1, dice.magnitude(2, 400)),
      pBreakOff: dice.chance(0.3) ? dice.one([0.05, 0.3]) : 0,
      lies: !needed && dice.chance(0.25) ? liesOf(dice) : undefined,
      sync: dice.one(["piece", "batch", "none"] as const),
      absences: dice.some(2, () => ({
        ...dice.span(healMs),
        end: dice.one(["kill", "power cut", "stop"] as const),
      })),
      pauses: dice.chance(0.1) ? [dice.span(healMs)] : [],
      disk: {
        roomBytes: dice.chance(0.1) ? dice.whole(0, pieces * 300) : Number.POSITIVE_INFINITY,
        failKth: dice.chance(0.2) ? dice.whole(1, 120) : 0,
        syncMs: dice.range(0, dice.magnitude(1, 300)),
      },
    };
  });
}

function liesOf(dice: Dice): Lies {
  const often = () => (dice.chance(0.4) ? dice.one([0.1, 0.5, 1]) : 0);
  return {
    flipsBit: often(),
    cutsShort: often(),
    sendsMore: often(),
    sendsAnother: often(),
    claimsAll: dice.chance(0.5),
  };
}

/** One host or several cut off from all others, in one direction or both, or a few single links. */
function linksOf(dice: Dice, size: number, trackers: number): [number, number][] {
  const hosts = Array.from({ length: size + trackers }, (_, host) => host);
  const pick = () => dice.one(hosts);
  if (dice.chance(0.4)) return dice.some(6, () => [pick(), pick()] as [number, number]);
  const island = new Set([pick(), ...dice.some(size >> 1, pick)]);
  const directions = dice.one([["out"], ["in"], ["out", "in"]]);
  const links: [number, number][] = [];
  for (const inside of island) {
    for (const outside of hosts) {
      if (island.has(outside)) continue;
      if (directions.includes("out")) links.push([inside, outside]);
      if (directions.includes("in")) links.push([outside, inside]);
    }
  }
  return links;
}
