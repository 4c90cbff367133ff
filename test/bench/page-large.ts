/**
 * Memory of a page that downloads a file far larger than it: the page of pieza beside a bare page that fetches, checks
 * and writes the same pieces from the same peer. Files are sparse, for only their length matters; the browser is a new
 * one every time; what it saved is compared with the source.
 */
import { execFile } from "node:child_process";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { root } from "../../scripts/run-command.ts";
import type { PageContender } from "./page/contender.ts";
import { fetchFromOne, piezaFromOne } from "./page/contenders.ts";
import { QuietBrowser } from "./page/quiet-browser.ts";
import { PageSources } from "./page/sources.ts";
import { machineLines, versionOf } from "./support/machine.ts";
import { Pieza } from "./support/pieza.ts";
import { type Bar, barCells, table } from "./support/table.ts";
import { Workspace } from "./support/workspace.ts";

const SAMPLE_MS = 500;
/** From the page's being there to its being at rest. */
const REST_MS = 3_000;
/** No download takes so long; one that does hangs. */
const TIMEOUT_MS = 30 * 60_000;
const MAX_HEAP_MB = 100;
const MAX_TIMES_BARE = 1.2;

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1024, 10_240];
if (!sizes.every((size) => Number.isInteger(size) && size > 0)) {
  console.error(
    "node test/bench/page-large.ts [MIB...]: memory of a page for files of these sizes (1024 10240)",
  );
  process.exit(2);
}

interface Measured {
  readonly contender: PageContender;
  readonly sizeMiB: number;
  readonly idleMB: number;
  /** The most that all of Chromium's processes had. */
  readonly maximumMB: number;
  /** The most that JavaScript had, of page and workers. */
  readonly heapMB: number;
  readonly seconds: number;
}

async function measure(sources: PageSources, contender: PageContender, sizeMiB: number): Promise<Measured> {
  const { url, download, save } = await contender.prepare(sources);
  const browser = await QuietBrowser.start(sources.workspace);
  try {
    const tab = await browser.open(url, REST_MS);
    await tab.allowStorage(3 * sizeMiB * 2 ** 20);
    const idleMB = (await browser.memoryBytes()) / 1e6;
    let [maximumMB, heapMB] = [idleMB, 0];
    const over = new AbortController();
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    const downloaded = download(tab).finally(() => over.abort());
    while (!over.signal.aborted) {
      limit.throwIfAborted();
      maximumMB = Math.max(maximumMB, (await browser.memoryBytes()) / 1e6);
      heapMB = Math.max(heapMB, (await tab.heapBytes()) / 1e6);
      await setTimeout(SAMPLE_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
    const seconds = await downloaded;
    await promisify(execFile)("cmp", [sources.file.path, await save(tab)]);
    return { contender, sizeMiB, idleMB, maximumMB, heapMB, seconds };
  } finally {
    await browser.stop();
  }
}

/** Both pages, from the same peer. */
async function measureBoth(workspace: Workspace, sizeMiB: number): Promise<Measured[]> {
  const path = workspace.path("source.bin");
  const file = await open(path, "wx");
  await file.truncate(sizeMiB * 2 ** 20);
  await file.close();
  const pieza = new Pieza(workspace, `${root}server/cli/pieza.js`);
  const sources = new PageSources(workspace, pieza, await pieza.share(path, sizeMiB * 2 ** 20), {
    warm: false,
  });
  const measured: Measured[] = [];
  for (const contender of [piezaFromOne, fetchFromOne]) {
    measured.push(await measure(sources, contender, sizeMiB));
    console.error(cellsOf(measured.at(-1)!).join(", "));
  }
  return measured;
}

function cellsOf({ contender, sizeMiB, idleMB, maximumMB, heapMB, seconds }: Measured): string[] {
  const megabytes = [idleMB, maximumMB, maximumMB - idleMB, heapMB].map((value) => `${value.toFixed(0)} MB`);
  return [contender.name, `${sizeMiB} MiB`, ...megabytes, seconds.toFixed(1)];
}

function barRows(measured: readonly Measured[]): string[][] {
  const rows: string[][] = [];
  const add = (what: string, value: number, digits: number, bar: Bar) =>
    rows.push([what, ...barCells([value], digits, bar)]);
  const ours = measured.filter(({ contender }) => contender === piezaFromOne);
  for (const { sizeMiB, heapMB, maximumMB } of ours) {
    const bare = measured.find((other) => other.sizeMiB === sizeMiB && other.contender === fetchFromOne)!;
    add(`JavaScript's heaps, ${sizeMiB} MiB`, heapMB, 0, { sign: "<", value: MAX_HEAP_MB, unit: "MB" });
    const times = maximumMB / bare.maximumMB;
    add(`all of Chromium / bare page, ${sizeMiB} MiB`, times, 2, {
      sign: "<=",
      value: MAX_TIMES_BARE,
      unit: "x",
    });
  }
  const [first, last] = [ours[0]!, ours.at(-1)!];
  if (first !== last) {
    const times = last.maximumMB / first.maximumMB;
    const what = `all of Chromium, ${last.sizeMiB} / ${first.sizeMiB} MiB`;
    add(what, times, 2, { sign: "<=", value: MAX_TIMES_BARE, unit: "x" });
  }
  return rows;
}

const folder = tmpdir();
const machine = machineLines(folder);
const measured: Measured[] = [];
for (const sizeMiB of sizes) {
  await Workspace.use(folder, async (workspace) => {
    measured.push(...(await measureBoth(workspace, sizeMiB)));
  });
}
console.log(machine.join("\n"));
console.log(`${versionOf(process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium", "--version").trim()}\n`);
const head = ["a page with", "file", "idle, PSS", "maximum", "difference", "JavaScript's heaps", "seconds"];
console.log(`${table(head, measured.map(cellsOf))}\n`);
console.log(table(["", "measured", "bar", ""], barRows(measured)));
