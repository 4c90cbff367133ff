import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "../support/swarms/fake-swarm.ts";
import {
  type Failpoint,
  type Kill,
  KilledDownload,
  killSometime,
  PIPELINE,
  type Run,
} from "./killed-download.ts";

const KILLS = 200;
/** Downloads that are killed at the same time, one a core. */
const LANES = 2;
const TIMES = 10;

const syncs = ["batch", "none", "piece"] as const;
const downloads: KilledDownload[] = [];
afterEach(() => {
  for (const download of downloads.splice(0)) download.close();
});

function start(options: ConstructorParameters<typeof KilledDownload>[0]): KilledDownload {
  const download = new KilledDownload(options);
  downloads.push(download);
  return download;
}

/** Runs the process once, killed or not, and holds what it asked for against what had been recorded before. */
async function runOnce(download: KilledDownload, kill: Kill): Promise<Run> {
  const before = download.recorded();
  const run = await download.run(kill);
  if (run.held) expect(new Set(run.held), "held after a kill: what was recorded").toEqual(before);
  expect(
    run.asked.filter((index) => before.has(index)),
    "recorded pieces asked for again",
  ).toEqual([]);
  expect(new Set(run.asked).size, "pieces asked for twice in one run").toBe(run.asked.length);
  const after = download.recorded();
  const lost = run.asked.filter((index) => !after.has(index));
  expect(lost.length, "pieces lost by one kill").toBeLessThanOrEqual(PIPELINE);
  if (download.hasName) expect(download.isWhole, "what has the final name").toBe(true);
  if (run.done) expect(download.isRight).toBe(true);
  return run;
}

describe("a download that is killed with -9", () => {
  it(`at ${KILLS} moments loses only pieces in flight, and asks its seeder for no recorded piece again`, async () => {
    let kills = 0;
    let finished = 0;
    const lane = async (random: () => number) => {
      for (let seed = 1; kills < KILLS; seed++) {
        const sync = syncs[seed % syncs.length]!;
        const download = start({ pieces: 192, seed, sync, pieceMs: 1 });
        for (let done = false; !done; ) {
          const kill = kills < KILLS ? killSometime(random) : undefined;
          if (kill) kills++;
          done = (await runOnce(download, kill)).done;
        }
        finished++;
        download.close();
      }
    };
    await Promise.all(Array.from({ length: LANES }, (_, n) => lane(seededRandom(n + 1))));
    expect(kills).toBe(KILLS);
    expect(finished).toBeGreaterThan(4);
    console.log(`${kills} kills, ${finished} downloads finished`);
  }, 300_000);

  const points: [string, Omit<Failpoint, "nth">, number][] = [
    ["before bytes are written", { call: "write", file: "part", when: "before" }, 40],
    ["after bytes were written", { call: "write", file: "part", when: "after" }, 40],
    ["after bytes were flushed", { call: "sync", file: "part", when: "after" }, 3],
    ["after a record was written", { call: "write", file: "journal", when: "after" }, 25],
    ["after a record was flushed", { call: "sync", file: "journal", when: "after" }, 3],
    ["before the file gets its name", { call: "link", file: "any", when: "before" }, 1],
    ["after the file got its name", { call: "link", file: "any", when: "after" }, 1],
    ["before the folder is flushed", { call: "syncFolder", file: "any", when: "before" }, 3],
  ];
  it.each(points)(
    "%s goes on from there",
    async (_what, point, latest) => {
      const random = seededRandom(latest + point.call.length);
      for (let time = 0; time < TIMES; time += LANES) {
        const one = async (seed: number) => {
          const download = start({ pieces: 24, seed, sync: "piece", pieceMs: 0 });
          const failpoint = { ...point, nth: 1 + Math.floor(random() * latest) };
          expect(await runOnce(download, { failpoint }), JSON.stringify(failpoint)).toMatchObject({
            done: false,
          });
          expect(await runOnce(download, undefined)).toMatchObject({ done: true });
          download.close();
        };
        await Promise.all(Array.from({ length: LANES }, (_, n) => one(time + n + 1)));
      }
    },
    120_000,
  );
});
