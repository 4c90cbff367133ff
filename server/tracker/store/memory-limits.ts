import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { TrackerLimits } from "./limits.ts";

const MiB = 1 << 20;
/** The part of the machine's or container's memory that a tracker takes by default. */
const SHARE = 1 / 2;
/** Memory of a tracker without state: its code, its sockets and the answers under way. */
const BASE_BYTES = 128 * MiB;
/** A tracker keeps at least this much state, however little memory it is given. */
const LEAST_BYTES = 16 * MiB;
/**
 * Memory of one lease with its address, its check and its map entries: 0.9 KiB as measured, doubled for garbage that
 * is not collected yet. A swarm without its members takes 0.9 KiB.
 */
const LEASE_BYTES = 2 << 10;
const SWARM_BYTES = 1 << 10;

/** The limits that keep a tracker within its memory. */
export type MemoryLimits = Pick<TrackerLimits, "maxStateBytes" | "maxLeases" | "maxSwarms">;

/**
 * The limits for a tracker that may take `memoryBytes`. Of what the code leaves, bitfields get a half, leases a
 * quarter and swarms an eighth. The rest is room for garbage that is not collected yet.
 */
export function limitsFor(memoryBytes: number): MemoryLimits {
  const stateBytes = Math.max(LEAST_BYTES, memoryBytes - BASE_BYTES);
  return {
    maxStateBytes: Math.floor(stateBytes / 2),
    maxLeases: Math.floor(stateBytes / 4 / LEASE_BYTES),
    maxSwarms: Math.floor(stateBytes / 8 / SWARM_BYTES),
  };
}

/** The memory of a machine and of this process, in bytes. */
export interface MachineMemory {
  readonly total: number;
  /** The container's limit. Without a container it is 0 or far above `total`. */
  readonly constrained: number;
  /** The most that the JavaScript heap may take. */
  readonly heap: number;
}

/** The memory that a tracker takes by default, in bytes: half of its container or machine, at most its heap limit. */
export function memoryOf({ total, constrained, heap }: MachineMemory): number {
  const own = constrained > 0 ? Math.min(constrained, total) : total;
  return Math.min(own * SHARE, heap);
}

export function machineMemory(): MachineMemory {
  const heap = getHeapStatistics().heap_size_limit;
  return { total: totalmem(), constrained: process.constrainedMemory(), heap };
}
