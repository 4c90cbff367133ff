import type { Random } from "#core/base/clock.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimMachine } from "./sim-machine.ts";
import type { SimNet } from "./sim-net.ts";
import type { SimTracker } from "./sim-tracker.ts";

/** What every part of one simulation shares. */
export interface World {
  readonly clock: SimClock;
  readonly net: SimNet;
  readonly random: Random;
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  /** The file. */
  readonly whole: Uint8Array;
  readonly maxInFlightBytes: number;
  readonly machines: SimMachine[];
  readonly trackers: SimTracker[];
  /** A real folder: locks are files of the machine that the test runs on. */
  readonly lockFolder: string;
  /** Faults have ended. */
  healed: boolean;
  /** Something that must not be. Ends the simulation after this instant. */
  fail(what: string): void;
  /** Something that happens, for the trace. */
  note(what: string): void;
}

/** The right bytes of a piece. */
export function pieceOf({ geometry, whole }: World, index: number): Uint8Array {
  const offset = geometry.offset(geometry.index(index));
  return whole.subarray(offset, offset + geometry.lengthOf(geometry.index(index)));
}

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && a.length === b.length && Buffer.compare(a, b) === 0;
}
