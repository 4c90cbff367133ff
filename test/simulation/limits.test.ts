import { describe, expect, it } from "vitest";
import { RateLimit } from "#core/base/rate-limit.ts";
import { seededRandom } from "../support/swarms/fake-swarm.ts";
import { playScene } from "./flow-scene.ts";
import { SimClock } from "./sim-clock.ts";

const SEEDS = Number(process.env.PIEZA_SIM_SEEDS ?? 100);
const CHUNK = 50;
const chunks = Array.from({ length: Math.ceil(SEEDS / CHUNK) }, (_, n) => n * CHUNK + 1);
const HOUR_MS = 3_600_000;

/** What a download under its own limit, from peers under theirs, says between pauses. */
async function said(seed: number): Promise<Set<string>> {
  const random = seededRandom(seed + 5_000);
  const whole = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  const clock = new SimClock();
  const peers = Array.from({ length: whole(1, 3) }, () => ({
    rate: whole(20_000, 2_000_000),
    latencyMs: whole(1, 100),
    uploadLimit: random() < 0.5 ? whole(10_000, 300_000) : undefined,
  }));
  const limit = random() < 0.6 ? new RateLimit(whole(10_000, 500_000), clock) : undefined;
  const scene = { seed, pieces: whole(1, 20), pieceLength: 2 ** whole(14, 18), peers };
  let turnMs = whole(100, 3_000);
  const words = new Set<string>();
  const { last } = await playScene(
    scene,
    HOUR_MS,
    {
      limit,
      look(download, now) {
        const { state, reason, trouble } = download.peek();
        if (state === "waiting") words.add(`${trouble}: ${reason.split(";")[0]!.replace(/\d+ /, "")}`);
        if (now < turnMs) return;
        turnMs = now + whole(50, 4_000);
        if (state === "paused") download.resume();
        else if (random() < 0.5) download.pause();
      },
    },
    clock,
  );
  expect(last.heldPieces).toBe(last.totalPieces);
  return words;
}

describe("a download with limits and pauses, while every byte is there", () => {
  it.each(chunks)(
    "never says that nobody has the missing pieces, from seed %d on",
    async (first) => {
      const words = new Set<string>();
      for (let seed = first; seed < first + CHUNK; seed++)
        for (const word of await said(seed)) words.add(word);
      expect([...words].filter((word) => !word.startsWith("busy_holder: every reachable peer"))).toEqual([]);
      expect(words.size, "some had to wait for a busy peer").toBeGreaterThan(0);
    },
    120_000,
  );
});
