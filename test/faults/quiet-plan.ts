import type { FaultPlan, PeerPlan } from "../simulation/plan.ts";

/** A peer that does everything right, on a machine that does too. */
export const quietPeer: PeerPlan = {
  has: "all",
  rate: 100_000,
  latencyMs: [2, 10],
  pBreakOff: 0,
  lies: undefined,
  sync: "batch",
  absences: [],
  pauses: [],
  disk: { roomBytes: Number.POSITIVE_INFINITY, failKth: 0, syncMs: [0, 2] },
};

export const leecher: PeerPlan = { ...quietPeer, has: "none" };

/** A simulation in which only that goes wrong which is named: by default nothing, to 64 pieces of 100 bytes. */
export function quietPlan(peers: readonly PeerPlan[], faults: Partial<FaultPlan> = {}): FaultPlan {
  return {
    seed: 1,
    lengthBytes: 6_400,
    pieceLength: 100,
    maxInFlightBytes: 3_200,
    peers,
    trackers: [{ absences: [] }],
    partitions: [],
    clockJumps: [],
    healMs: 1,
    ...faults,
  };
}
