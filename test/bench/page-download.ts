/**
 * One file over the loopback into Chromium's storage: the page of pieza against pages that fetch the same pieces from
 * the same peers with nothing around it, with the stock RPC client, and against webtorrent. Rounds are interleaved.
 */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { promisify } from "node:util";
import { messageOf } from "#core/base/errors.ts";
import { ensurePackages, isExecutable, program } from "../../scripts/system-packages.ts";
import { within } from "../support/deadline.ts";
import { writeRandomFile } from "../support/swarms/local-swarm.ts";
import type { PreparedPage } from "./page/contender.ts";
import { pageContenders } from "./page/contenders.ts";
import { QuietBrowser } from "./page/quiet-browser.ts";
import { type PageResult, type PageRun, report } from "./page/report.ts";
import { PageSources } from "./page/sources.ts";
import { benchOptions, isWanted } from "./support/options.ts";
import { Pieza } from "./support/pieza.ts";
import { cpuSecondsOf } from "./support/proc.ts";
import { Workspace } from "./support/workspace.ts";

/** No run takes so long; one that does hangs. */
const RUN_TIMEOUT_MS = 3 * 60_000;
/** From a page's being there to its being at rest. */
const REST_MS = 500;

const options = benchOptions(
  "node test/bench/page-download.ts: one file over the loopback into Chromium's storage.",
  256,
);
const wanted = pageContenders.filter(({ name }) => isWanted(name, options));
const chromium = {
  name: "chromium",
  isPresent: () => isExecutable(process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium"),
};
if (!(await ensurePackages([chromium, program("time", "time")], "this benchmark needs"))) process.exit(1);

type Entry = PageResult & { readonly prepared: PreparedPage };

/** Seconds of every process of the browser, by process; one that has ended has none. */
async function browserCpu(browser: QuietBrowser): Promise<Map<number, number>> {
  const seconds = new Map<number, number>();
  for (const pid of await browser.pids()) {
    try {
      seconds.set(pid, cpuSecondsOf([pid]));
    } catch {
      // It has just ended.
    }
  }
  return seconds;
}

/** Runs in a tab of its own. Leaves nothing in the storage of the page's origin. */
async function measure(
  browser: QuietBrowser,
  { url, pids, download, save }: PreparedPage,
  compareWith?: string,
): Promise<PageRun> {
  const tab = await browser.open(url, REST_MS);
  try {
    await tab.watchTasks();
    const [browserBefore, seedersBefore] = [await browserCpu(browser), cpuSecondsOf(pids)];
    const seconds = await within(RUN_TIMEOUT_MS, "the whole download", download(tab));
    const seedersCpuSeconds = cpuSecondsOf(pids) - seedersBefore;
    let browserCpuSeconds = 0;
    for (const [pid, after] of await browserCpu(browser))
      browserCpuSeconds += after - (browserBefore.get(pid) ?? 0);
    const longestTaskMs = await tab.longestTaskMs();
    if (compareWith !== undefined) {
      const saved = await save(tab);
      await promisify(execFile)("cmp", [compareWith, saved]);
      await rm(saved);
    }
    return { seconds, browserCpuSeconds, seedersCpuSeconds, longestTaskMs };
  } finally {
    await tab.close();
  }
}

await Workspace.use(options.folder, async (workspace) => {
  const failures: string[] = [];
  const say = (text: string) => console.error(text);
  const fail = (name: string, error: unknown) => {
    failures.push(`${name}: ${messageOf(error)}`);
    say(`${name}: ${messageOf(error)}`);
  };

  const path = workspace.path("source.bin");
  await writeRandomFile(path, options.sizeBytes);
  const pieza = new Pieza(workspace, options.entry);
  const sources = new PageSources(workspace, pieza, await pieza.share(path, options.sizeBytes), {
    warm: true,
  });
  const browser = await QuietBrowser.start(workspace);

  const entries: Entry[] = [];
  for (const contender of wanted) {
    say(`starting what "${contender.name}" needs`);
    try {
      entries.push({ contender, prepared: await contender.prepare(sources), runs: [] });
    } catch (error) {
      fail(contender.name, error);
    }
  }

  // Round 0 warms everything up and does not count. What comes of everybody's first is compared with the source.
  for (let round = 0; round <= options.runs; round++) {
    for (const entry of [...entries]) {
      const { contender, prepared, runs } = entry;
      const first = contender.rounds === undefined ? 0 : 1;
      if (round < first || round > (contender.rounds ?? options.runs)) continue;
      try {
        const run = await measure(browser, prepared, round === first ? path : undefined);
        say(`${round} of ${options.runs}: ${contender.name}: ${run.seconds.toFixed(2)} s`);
        if (round > 0) runs.push(run);
      } catch (error) {
        fail(contender.name, error);
        entries.splice(entries.indexOf(entry), 1);
      }
    }
  }
  console.log(report(entries, failures, options));
});
