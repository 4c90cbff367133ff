/**
 * The memory of a Chromium while its page downloads a file: the proportional set size of all its processes, where what
 * several of them share counts once. A new browser and new servers for every file; the files are sparse: only their
 * length matters.
 */
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setTimeout } from "node:timers/promises";
import { LocalSwarm } from "../support/local-swarm.ts";
import { DownloadOnPage, PageDriver } from "../support/page-driver.ts";
import { machineLines, versionOf } from "./support/machine.ts";
import { descendantsOf, pssBytesOf } from "./support/proc.ts";
import { table } from "./support/table.ts";

const SAMPLE_MS = 200;
/** From the page's being there to its being at rest. */
const REST_MS = 5_000;
/** No download takes so long; one that does hangs. */
const TIMEOUT_MS = 15 * 60_000;
const name = "sparse.bin";

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [256, 1024];
if (!sizes.every((size) => Number.isInteger(size) && size > 0)) {
  console.error(
    "node test/bench/page-memory.ts [MIB...]: Chromium's memory for files of these sizes (256 1024)",
  );
  process.exit(2);
}

interface Measured {
  readonly idleMB: number;
  readonly maximumMB: number;
  readonly seconds: number;
}

/** All that this program has started and that is a Chromium. */
function chromiumMB(): number {
  return pssBytesOf(descendantsOf(process.pid, /chrom/)) / 1e6;
}

async function measure(swarm: LocalSwarm, browser: PageDriver, sizeMiB: number): Promise<Measured> {
  const file = await open(swarm.path(name), "wx");
  await file.truncate(sizeMiB * 2 ** 20);
  await file.close();
  await swarm.publish(name);
  await swarm.peer("peer", name);
  const page = await browser.open(swarm.catalogUrl);
  const download = new DownloadOnPage(page, name);
  await setTimeout(REST_MS);
  const idleMB = chromiumMB();

  let maximumMB = idleMB;
  const started = performance.now();
  await download.start();
  const over = new AbortController();
  const complete = download.becomes("Complete", TIMEOUT_MS).finally(() => over.abort());
  while (!over.signal.aborted) {
    maximumMB = Math.max(maximumMB, chromiumMB());
    await setTimeout(SAMPLE_MS, undefined, { signal: over.signal }).catch(() => undefined);
  }
  await complete;
  return { idleMB, maximumMB, seconds: (performance.now() - started) / 1000 };
}

async function measureAnew(sizeMiB: number): Promise<Measured> {
  const swarm = await LocalSwarm.start();
  try {
    const browser = await PageDriver.start();
    try {
      return await measure(swarm, browser, sizeMiB);
    } finally {
      await browser.stop();
    }
  } finally {
    await swarm.stop();
  }
}

const machine = machineLines(tmpdir());
const rows: string[][] = [];
for (const sizeMiB of sizes) {
  const { idleMB, maximumMB, seconds } = await measureAnew(sizeMiB);
  const megabytes = [idleMB, maximumMB, maximumMB - idleMB].map((value) => `${value.toFixed(0)} MB`);
  rows.push([`${sizeMiB} MiB`, ...megabytes, seconds.toFixed(1)]);
  console.error(rows.at(-1)!.join(", "));
}
console.log(machine.join("\n"));
console.log(`${versionOf(process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium", "--version")}\n`);
console.log(table(["all of Chromium, PSS", "idle", "maximum", "difference", "download, s"], rows));
