import { describe, expect, it } from "vitest";
import { seededRandom } from "../support/swarms/fake-swarm.ts";
import type { FlowPlan } from "./flow-peer.ts";
import { type FlowScene, playScene } from "./flow-scene.ts";

const SEEDS = Number(process.env.PIEZA_SIM_SEEDS ?? 120);
const CHUNK = 30;
const chunks = Array.from({ length: Math.ceil(SEEDS / CHUNK) }, (_, n) => n * CHUNK + 1);
const KIB = 1 << 10;
const HOUR_MS = 3_600_000;

/** One honest peer of at least 30 KiB/s, and any number of others that are of little use. */
function sceneOf(seed: number): { scene: FlowScene; honest: FlowPlan } {
  const random = seededRandom(seed + 77_000);
  const whole = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  const magnitude = (from: number, to: number) => Math.round(from * (to / from) ** random());
  const late = (most: number) => (random() < 0.5 ? 0 : whole(0, most));
  const pieceLength = 2 ** whole(14, 19);
  const pieces = whole(1, Math.min(64, Math.max(2, (6 << 20) / pieceLength)));
  const honest = { rate: magnitude(30 * KIB, 4_096 * KIB), latencyMs: whole(1, 200), joinsMs: late(15_000) };
  const useless = (): FlowPlan => {
    const base = { latencyMs: whole(1, 500), joinsMs: late(30_000) };
    const slow = magnitude(1, 20 * KIB);
    const turnsAt = whole(1, 3);
    const kinds: FlowPlan[] = [
      { ...base, rate: slow },
      { ...base, rate: slow },
      { ...base, rate: 10 * KIB, lie: "wrong" },
      { ...base, rate: 1, lie: "dead" },
      { ...base, rate: magnitude(KIB, 4_096 * KIB), lie: "wrong" },
      { ...base, rate: magnitude(KIB, 4_096 * KIB), lie: "stops" },
      { ...base, rate: magnitude(KIB, 4_096 * KIB), lie: "breaks off" },
      { ...base, rate: (sent) => (sent < turnsAt ? 8 << 20 : 10 * KIB) },
    ];
    return kinds[whole(0, kinds.length - 1)]!;
  };
  const crowd = Array.from({ length: whole(0, random() < 0.5 ? 8 : 60) }, useless);
  const peers = [...crowd];
  peers.splice(whole(0, crowd.length), 0, honest);
  return { scene: { seed, pieces, pieceLength, peers }, honest };
}

describe("a download from one honest peer among any number of liars, dead, slow and late ones", () => {
  it.each(chunks)(
    "ends within twice the time that the honest one alone needs, and 10 s, from seed %d on",
    async (first) => {
      for (let seed = first; seed < first + CHUNK; seed++) {
        const { scene, honest } = sceneOf(seed);
        const alone = await playScene({ ...scene, peers: [honest] }, HOUR_MS);
        const limitMs = 2 * alone.tookMs + 10_000;
        const { tookMs } = await playScene(scene, HOUR_MS);
        expect(tookMs, `seed ${seed}: ${alone.tookMs} ms alone`).toBeLessThanOrEqual(limitMs);
      }
    },
    120_000,
  );
});
