import { execFile } from "node:child_process";
import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import { LocalSwarm, sent, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const run = promisify(execFile);
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

  it("says so when the storage has no room for more in the middle, loses nothing, and goes on when there is room", async () => {
    const folder = "grows";
    await mkdir(swarm.path(folder));
    await writeRandomFile(join(swarm.path(folder), "a.bin"), 6 * MiB);
    await writeRandomFile(join(swarm.path(folder), "b.bin"), 24 * MiB);
    await swarm.publish(folder);
    const seeder = await swarm.peer("grower", folder, undefined, "0", "--limit-upload", "2MiB");
    const page = await browser.open(`${swarm.catalogUrl}/#/t/${folder}`);
    await page.getByText("Files", { exact: true }).click();
    await page.getByRole("checkbox", { name: "b.bin" }).uncheck();
    await page.getByRole("button", { name: "Download", exact: true }).click();
    const download = new DownloadOnPage(page, folder);
    await seeder.until("pieces sent", () => sent(seeder).length >= 2);
    // Else a tab that is looked at slowly has all of the first file before it is told to want more.
    seeder.kill("SIGSTOP");
    await setQuota(page, 12 * MiB);
    await download.card.getByText("Files", { exact: true }).click();
    const box = download.card.getByRole("checkbox", { name: "b.bin" });
    await box.check();
    await download.becomes("Too large");
    expect(await box.isChecked(), "the list of files stays open, with the click in it").toBe(true);
    await download.card.getByText(/Free some space and try again/).waitFor();
    await pictureState(page, "31-no-room-midway");
    seeder.kill("SIGCONT");
    await setQuota(page);
    await download.press("Try again");
    await download.becomes("Complete");
    const twice = sent(seeder).length - 30;
    expect(new Set(sent(seeder)).size).toBe(30);
    // What was under way when it was told to want more.
    expect(twice, "pieces that were sent twice").toBeLessThanOrEqual(5);
    const { path } = await download.save();
    await run("python3", ["-m", "zipfile", "-e", path, swarm.path("unzipped")]);
    await run("diff", ["-r", swarm.path(folder), swarm.path(`unzipped/${folder}`)]);
    expect(browser.problems).toEqual([]);
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
