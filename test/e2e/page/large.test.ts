import { truncate, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JsHeaps } from "../../support/page/js-heaps.ts";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { LocalSwarm, sha256sum } from "../../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const name = "large.bin";
/** Of page and worker together, array buffers included: a fifth of the file. */
const MAX_HEAP_BYTES = 100 * MiB;
const SAMPLE_MS = 200;

describe("a tab and a file that is larger than it may be", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;

  beforeEach(async () => {
    swarm = await LocalSwarm.start();
    browser = await PageDriver.start();
  });
  afterEach(async ({ task }) => {
    await browser?.stop(task);
    await swarm?.stop();
  });

  it("takes 512 MiB without ever holding 100 MiB of it, and saves the right bytes", async () => {
    await writeFile(swarm.path(name), "");
    // Sparse: it takes no room here, and the page cannot know.
    await truncate(swarm.path(name), 512 * MiB);
    await swarm.publish(name);
    await swarm.peer("seeder", name);
    const page = await browser.open(swarm.catalogUrl);
    const heaps = await JsHeaps.of(page);
    const download = await new DownloadOnPage(page, name).start();

    let largestBytes = 0;
    let samples = 0;
    const over = new AbortController();
    const complete = download.becomes("Complete", 240_000).finally(() => over.abort());
    while (!over.signal.aborted) {
      const { objects, buffers } = await heaps.bytes();
      largestBytes = Math.max(largestBytes, objects + buffers);
      samples++;
      await setTimeout(SAMPLE_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
    await complete;
    expect(heaps.workers, "workers that were asked").toBe(1);
    expect(samples).toBeGreaterThan(0);
    expect(largestBytes, "of JavaScript, in bytes").toBeLessThan(MAX_HEAP_BYTES);
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
    expect(browser.problems).toEqual([]);
  });
});
