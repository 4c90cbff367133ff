import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import { LocalSwarm, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const name = "bird-songs.flac";
const folder = "field-recordings";
const lonely = "nobody-has-it.iso";

/** States in which something is missing, chosen or in the way: each designed, pictured, and fit for a screen reader. */
describe("the page when things are not all well", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;
  let page: Page;

  beforeAll(async () => {
    swarm = await LocalSwarm.start();
    browser = await PageDriver.start({ hosts: ["pieza.test"] });
    await writeRandomFile(swarm.path(name), 24 * MiB);
    await swarm.publish(name, "--comment", "Dawn chorus, four microphones");
    // Half of it, so that it waits for the rest.
    await swarm.peer("half", name, "1-14");
    await mkdir(swarm.path(folder));
    for (const file of [
      "2026-03-01 river.wav",
      "2026-03-02 reed bed.wav",
      "notes.txt",
      "map of the sites.pdf",
    ])
      await writeRandomFile(join(swarm.path(folder), file), 90_000 * file.length);
    await swarm.publish(folder);
    await writeFile(swarm.path(lonely), "alone");
    await swarm.publish(lonely);
  });
  afterAll(async () => {
    await browser?.stop();
    await swarm?.stop();
  });
  afterEach(async () => {
    expect(browser.problems).toEqual([]);
    const downloads = page.getByRole("region", { name: "Downloads" });
    for (const stop of await downloads.getByRole("button", { name: /^(Cancel|Remove)$/ }).all()) {
      await stop.click();
      const sure = downloads.getByRole("button", { name: "Delete", exact: true });
      if (await sure.isVisible()) await sure.click();
    }
    await downloads.waitFor({ state: "detached" });
    await page.close();
  });

  const start = async (file: string): Promise<DownloadOnPage> => {
    page = await browser.open(swarm.catalogUrl);
    return new DownloadOnPage(page, file).start();
  };

  it("no peer has it", async () => {
    const download = await start(lonely);
    await download.becomes("Waiting for peers");
    await pictureState(page, "20-no-peers");
  });

  it("half of it is there, then paused, then about to be thrown away", async () => {
    const download = await start(name);
    await download.becomes("Waiting for peers");
    await pictureState(page, "21-waiting-for-the-rest");
    const other = await browser.open(swarm.catalogUrl);
    await new DownloadOnPage(other, name).becomes("Open in another tab");
    await pictureState(other, "22-in-another-tab");
    await other.close();
    await download.press("Pause");
    await download.becomes("Paused");
    await pictureState(page, "23-paused");
    await download.press("Cancel");
    await download.card.getByText(/^Delete the /).waitFor();
    await pictureState(page, "24-sure");
    await download.press("Keep");
  });

  it("there is no network", async () => {
    const download = await start(name);
    await download.becomes("Waiting for peers");
    await page.context().setOffline(true);
    await page.getByText("You are offline.").waitFor();
    await download.becomes("Waiting for peers");
    await pictureState(page, "25-offline");
    await page.context().setOffline(false);
  });

  it("the storage has no room for it", async () => {
    page = await browser.open(swarm.catalogUrl);
    const session = await page.context().newCDPSession(page);
    const { origin } = new URL(swarm.catalogUrl);
    await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 5 * MiB });
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Too large");
    await pictureState(page, "26-too-large");
    await session.send("Storage.overrideQuotaForOrigin", { origin });
  });

  it("some files of a folder are chosen", async () => {
    page = await browser.open(`${swarm.catalogUrl}/#/t/${folder}`);
    await page.locator("summary").getByText("Files").click();
    await page.getByRole("checkbox", { name: "reed bed" }).uncheck();
    await page.getByText("3 of 4 files").waitFor();
    await pictureState(page, "27-files");
  });

  it("what the address names is not here, and nothing is called so", async () => {
    page = await browser.open(`${swarm.catalogUrl}/#/t/never-published.zip`);
    await page.getByText("This catalog has no such torrent.").waitFor();
    await page.getByRole("searchbox").fill("never");
    await page.getByText("No torrent matches “never”.").waitFor();
    await pictureState(page, "28-not-here");
  });

  it("the page keeps to memory, and its catalog is gone", async () => {
    const catalog = swarm.run("insecure", [
      ...["catalog", "--port", "0", "--allowed-host", "pieza.test", ...swarm.trackerFlag],
    ]);
    const url = await catalog.url();
    await swarm.done("publisher", ["publish", swarm.path(`${name}.json`), "--catalog", url]);
    page = await browser.open(`http://pieza.test:${new URL(url).port}/`);
    await page.getByText("This page was opened without https").waitFor();
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Waiting for peers");
    await pictureState(page, "29-memory");
    await catalog.stop();
    await page.getByRole("searchbox").fill("bird");
    await page.getByText("The catalog does not answer.").waitFor();
    await pictureState(page, "30-catalog-away");
  });
});
