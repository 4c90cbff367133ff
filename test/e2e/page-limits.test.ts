import { truncate, writeFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LocalSwarm, sent, sha256sum, writeRandomFile } from "../support/local-swarm.ts";
import { DownloadOnPage, PageDriver } from "../support/page-driver.ts";

const MiB = 1 << 20;
const name = "limits.bin";

describe("a tab at its limits", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;

  beforeEach(async () => {
    swarm = await LocalSwarm.start();
    browser = await PageDriver.start({ hosts: ["pieza.test"] });
  });
  afterEach(async ({ task }) => {
    await browser?.stop(task);
    await swarm?.stop();
  });

  async function seeded(mebibytes: number, ...flags: string[]) {
    await writeRandomFile(swarm.path(name), mebibytes * MiB);
    await swarm.publish(name);
    return swarm.peer("seeder", name, undefined, "0", ...flags);
  }

  async function setQuota(page: Page, quotaSize?: number): Promise<void> {
    const session = await page.context().newCDPSession(page);
    const origin = new URL(swarm.catalogUrl).origin;
    await session.send("Storage.overrideQuotaForOrigin", { origin, ...(quotaSize && { quotaSize }) });
  }

  it("refuses what the storage has no room for, says so, and takes it when there is room", async () => {
    await seeded(48);
    const page = await browser.open(swarm.catalogUrl);
    await setQuota(page, 10 * MiB);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Too large");
    await download.card.getByText(/^It needs 50.3 MB, .* Free some space and try again/).waitFor();
    await setQuota(page);
    await download.press("Try again");
    await download.becomes("Complete");
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
    expect(browser.problems).toEqual([]);
  });

  it("is not stopped by a quota that shrinks once it has begun", async () => {
    const seeder = await seeded(24, "--limit-upload", "8MiB");
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    await expect.poll(() => download.heldPercent(), { timeout: 30_000 }).toBeGreaterThan(10);
    await setQuota(page, 5 * MiB);
    await download.becomes("Complete");
    expect(new Set(sent(seeder)).size).toBe(24);
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
  });

  it("says what fits into memory where there is no storage", async () => {
    await writeFile(swarm.path(name), "");
    await truncate(swarm.path(name), 600 * MiB);
    const catalog = swarm.run("insecure", [
      ...["catalog", "--port", "0", "--allowed-host", "pieza.test", ...swarm.trackerFlag],
    ]);
    const url = await catalog.url();
    await swarm.done("publisher", ["create", swarm.path(name), "-o", swarm.path(`${name}.json`)]);
    await swarm.done("publisher", ["publish", swarm.path(`${name}.json`), "--catalog", url]);
    const page = await browser.open(`http://pieza.test:${new URL(url).port}/`);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Too large");
    await download.card.getByText("takes up to 537 MB there").waitFor();
  });

  it("asks again, after its renderer was killed, only for pieces that were on their way", async () => {
    const seeder = await seeded(40, "--limit-upload", "8MiB");
    const page = await browser.open(swarm.catalogUrl);
    const before = await new DownloadOnPage(page, name).start();
    await expect.poll(() => before.heldPercent(), { timeout: 30_000 }).toBeGreaterThan(40);
    const session = await page.context().newCDPSession(page);
    session.send("Page.crash").catch(() => undefined);
    await page.waitForEvent("crash");

    const again = await browser.open(swarm.catalogUrl);
    const after = new DownloadOnPage(again, name);
    await after.becomes("Complete");
    const asked = sent(seeder);
    expect(new Set(asked).size).toBe(40);
    expect(asked.length - 40, "pieces that were sent twice").toBeLessThanOrEqual(5);
    expect(await sha256sum((await after.save()).path)).toBe(await sha256sum(swarm.path(name)));
  });

  it("goes on in the middle of a request when it is reloaded", async () => {
    const seeder = await seeded(24, "--limit-upload", "8MiB");
    const page = await browser.open(swarm.catalogUrl);
    const before = await new DownloadOnPage(page, name).start();
    await expect.poll(() => before.heldPercent(), { timeout: 30_000 }).toBeGreaterThan(20);
    await page.reload();
    const after = new DownloadOnPage(page, name);
    await after.becomes("Complete");
    expect(sent(seeder).length - 24, "pieces that were sent twice").toBeLessThanOrEqual(5);
    expect(await sha256sum((await after.save()).path)).toBe(await sha256sum(swarm.path(name)));
    expect(browser.problems).toEqual([]);
  });
});
