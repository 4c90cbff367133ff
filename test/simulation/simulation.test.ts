import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oldSeeds } from "./old-seeds.ts";
import { type FaultPlan, planOf } from "./plan.ts";
import { type SimResult, simulate } from "./simulate.ts";

const SEEDS = Number(process.env.PIEZA_SIM_SEEDS ?? 500);
/** Seeds in one test, so that a failing one does not hide too many others. */
const CHUNK = 50;
const chunks = Array.from({ length: Math.ceil(SEEDS / CHUNK) }, (_, n) => n * CHUNK + 1);

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pieza-simulation-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (plan: FaultPlan): Promise<SimResult> => simulate(plan, folder);

if (process.env.PIEZA_SIM_SEED) {
  const seed = Number(process.env.PIEZA_SIM_SEED);
  it(`seed ${seed} of the simulation`, async () => {
    const plan = planOf(seed);
    console.log(JSON.stringify(plan, undefined, 2));
    await run(plan);
  }, 60_000);
} else {
  describe("a swarm in which everything fails", () => {
    it.each(chunks)(
      "does nothing wrong meanwhile and completes when it is over, from seed %d on",
      async (first) => {
        let checks = 0;
        for (let seed = first; seed < first + CHUNK; seed++) checks += (await run(planOf(seed))).checks;
        expect(checks).toBeGreaterThan(CHUNK);
      },
      120_000,
    );

    it.each(Object.keys(oldSeeds).map(Number))("has not failed again with seed %d", async (seed) => {
      await run(planOf(seed));
    });
  });

  describe("a simulation", () => {
    it("goes the same way twice from one seed, and another way from another", async () => {
      const traces = new Set<string>();
      for (const seed of [3, 9, 36]) {
        const { trace } = await run(planOf(seed));
        expect((await run(planOf(seed))).trace).toBe(trace);
        traces.add(trace);
      }
      expect(traces.size).toBe(3);
    });

    it("does not notice that the wall clock jumps", async () => {
      let jumps = 0;
      for (let seed = 1; seed <= 30; seed++) {
        const plan = planOf(seed);
        jumps += plan.clockJumps.length;
        const steady = await run({ ...plan, clockJumps: [] });
        expect((await run(plan)).trace).toBe(steady.trace);
      }
      expect(jumps).toBeGreaterThan(20);
    });

    it("names the command that runs a failure again", async () => {
      const healthy = planOf(1);
      const orphan = { ...healthy.peers[0]!, has: "none" as const, absences: [] };
      const failure = run({ ...healthy, peers: [orphan, orphan] });
      await expect(failure).rejects.toThrow("PIEZA_SIM_SEED=1 npx vitest run --project node test/simulation");
    });

    it("meets swarms of 2 to 50 peers, most of them small, with every kind of fault", () => {
      const plans = Array.from({ length: 500 }, (_, n) => planOf(n + 1));
      const sizes = plans.map(({ peers }) => peers.length);
      expect(Math.min(...sizes)).toBe(2);
      expect(Math.max(...sizes)).toBeGreaterThan(40);
      expect(sizes.filter((size) => size <= 5).length).toBeGreaterThan(375);
      const peers = plans.flatMap((plan) => plan.peers);
      const ends = new Set(peers.flatMap(({ absences }) => absences.map(({ end }) => end)));
      expect(ends).toEqual(new Set(["kill", "power cut", "stop"]));
      const some: Record<string, number> = {
        full: peers.filter(({ disk }) => disk.roomBytes < 1e9).length,
        failing: peers.filter(({ disk }) => disk.failKth > 0).length,
        lying: peers.filter(({ lies }) => lies).length,
        breakingOff: peers.filter(({ pBreakOff }) => pBreakOff > 0).length,
        cut: plans.filter(({ partitions }) => partitions.length > 0).length,
        withoutTracker: plans.filter(({ trackers }) => trackers.some(({ absences }) => absences.length))
          .length,
        wiped: plans.filter(({ trackers }) => trackers.some(({ absences }) => absences.some((a) => a.wiped)))
          .length,
      };
      for (const [what, count] of Object.entries(some)) expect(count, what).toBeGreaterThan(100);
    });
  });
}
