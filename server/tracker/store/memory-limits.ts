import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { TrackerLimits } from "./limits.ts";

const MiB = 1 << 20;
/** Of what the machine or its container has, a tracker that is told nothing may take so much. */
const SHARE = 1 / 2;
/** What a tracker takes that knows nobody, with its code, its sockets and the answers under way. */
const BASE_BYTES = 128 * MiB;
/** The least that is left for its state, however little it is given. */
const LEAST_BYTES = 16 * MiB;
/**
 * What a lease takes with its address, what is known of that and its places in maps: 0.9 KiB as measured, and as
 * much again for what waits to be collected. A swarm without its members takes 0.9 KiB.
 */
const LEASE_BYTES = 2 << 10;
const SWARM_BYTES = 1 << 10;

/** The caps that keep a tracker within its memory. */
export type MemoryLimits = Pick<TrackerLimits, "maxStateBytes" | "maxLeases" | "maxSwarms">;

/**
 * Caps for a tracker that may take so many bytes. Half of what its code leaves is for bitfields, a quarter for leases and
 * an eighth for swarms; the rest is air, because garbage is not collected at once.
 */
export function limitsFor(memoryBytes: number): MemoryLimits {
  const stateBytes = Math.max(LEAST_BYTES, memoryBytes - BASE_BYTES);
  return {
    maxStateBytes: Math.floor(stateBytes / 2),
    maxLeases: Math.floor(stateBytes / 4 / LEASE_BYTES),
    maxSwarms: Math.floor(stateBytes / 8 / SWARM_BYTES),
  };
}

/** What a machine says of its memory, in bytes. */
export interface MachineMemory {
  readonly total: number;
  /** The container's; 0 or far above `total`: it has none. */
  readonly constrained: number;
  /** What the process' objects may take. */
  readonly heap: number;
}

/** What a tracker may take if nobody says, in bytes: a share of the container or the machine, and no more than its heap. */
export function memoryOf({ total, constrained, heap }: MachineMemory): number {
  const own = constrained > 0 ? Math.min(constrained, total) : total;
  return Math.min(own * SHARE, heap);
}

/** Of this machine. */
export function machineMemory(): MachineMemory {
  const heap = getHeapStatistics().heap_size_limit;
  return { total: totalmem(), constrained: process.constrainedMemory(), heap };
}
