import { afterEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import type { PiezaProcess } from "../../support/processes/pieza-process.ts";
import { LocalSwarm, metric, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const name = "half.bin";

async function piecesAskedOf(peer: PiezaProcess): Promise<number> {
  return metric(await peer.url(), "pieza_piece_requests_total");
}

describe("a tab that goes on where it was", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;

  afterEach(async ({ task }) => {
    await browser?.stop(task);
    await swarm?.stop();
  });

  /** A swarm in which only the first `pieces` of 24 can be had, and a browser. */
  async function startWith(pieces: string): Promise<PiezaProcess> {
    swarm = await LocalSwarm.start();
    browser = await PageDriver.start();
    await writeRandomFile(swarm.path(name), 24 * MiB);
    await swarm.publish(name);
    return swarm.peer("first", name, pieces);
  }

  it("asks nobody again for a piece that it had before a reload", async () => {
    const first = await startWith("1-10");
    const page = await browser.open(swarm.catalogUrl);
    const before = await new DownloadOnPage(page, name).start();
    await before.becomes("Waiting for peers");
    expect(await piecesAskedOf(first)).toBe(10);

    await page.reload();
    const after = new DownloadOnPage(page, name);
    await after.becomes("Waiting for peers");
    await after.card.getByText("What happened", { exact: true }).click();
    await after.card.getByRole("heading", { name: /^Earlier, from / }).waitFor();
    await after.card.getByText(new RegExp(`${new URL(await first.url()).host} gave 10 pieces:`)).waitFor();
    const second = await swarm.peer("second", name);
    await after.becomes("Complete");
    expect(await piecesAskedOf(first), "requests to the first peer").toBe(10);
    expect(await piecesAskedOf(second), "requests to the second peer").toBe(14);
    expect(await sha256sum((await after.save()).path)).toBe(await sha256sum(swarm.path(name)));
    expect(browser.problems).toEqual([]);
  });

  it("keeps what it verified when the browser crashes", async () => {
    const first = await startWith("1-10");
    const before = await new DownloadOnPage(await browser.open(swarm.catalogUrl), name).start();
    await before.becomes("Waiting for peers");
    await browser.crash();

    const page = await browser.open(swarm.catalogUrl);
    const after = new DownloadOnPage(page, name);
    const second = await swarm.peer("second", name);
    await after.becomes("Complete");
    expect(await piecesAskedOf(first)).toBe(10);
    expect(await piecesAskedOf(second)).toBe(14);
    expect(await sha256sum((await after.save()).path)).toBe(await sha256sum(swarm.path(name)));
  });

  it("stays paused through a reload, and goes on when told", async () => {
    await startWith("1-10");
    const page = await browser.open(swarm.catalogUrl);
    const before = await new DownloadOnPage(page, name).start();
    await before.becomes("Waiting for peers");
    await before.press("Pause");
    await before.becomes("Paused");
    await swarm.peer("second", name);

    await page.reload();
    const after = new DownloadOnPage(page, name);
    await after.becomes("Paused");
    await after.press("Resume");
    await after.becomes("Complete");
  });

  it("leaves a download to the tab that has it, and takes it over when that is closed", async () => {
    await startWith("1-10");
    const one = await browser.open(swarm.catalogUrl);
    await (await new DownloadOnPage(one, name).start()).becomes("Waiting for peers");
    const other = await browser.open(swarm.catalogUrl);
    const there = new DownloadOnPage(other, name);
    await there.becomes("Open in another tab");

    await one.close();
    await there.becomes("Waiting for peers");
    await swarm.peer("second", name);
    await there.becomes("Complete");
  });

  it("forgets a download that is cancelled, and its bytes", async () => {
    await startWith("1-10");
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Waiting for peers");
    await download.press("Cancel");
    await download.press("Delete");
    await download.card.waitFor({ state: "detached" });
    expect(await keptFolders(page)).toEqual([]);

    await page.reload();
    await page.getByRole("button", { name: `Download ${name}` }).waitFor();
    expect(await download.card.count()).toBe(0);
  });

  it("keeps its copy when the browser was given it to save, until the person frees it", async () => {
    await startWith("1-24");
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Complete");
    expect(await keptFolders(page)).toHaveLength(1);
    // The browser does not tell the page that the person cancels it.
    const [saving] = await Promise.all([page.waitForEvent("download"), download.press("Save")]);
    await saving.cancel();
    await download.card.getByText("Your browser was given it to save").waitFor();

    await page.reload();
    await download.becomes("Complete");
    await download.card.getByText("Your browser was given it to save").waitFor();
    const [again] = await Promise.all([page.waitForEvent("download"), download.press("Save again")]);
    expect(await sha256sum(await again.path())).toBe(await sha256sum(swarm.path(name)));

    await download.press("Free 25.2 MB");
    await download.card.waitFor({ state: "detached" });
    await page.reload();
    await page.getByRole("button", { name: `Download ${name}` }).waitFor();
    expect(await keptFolders(page)).toEqual([]);
  });

  it("writes straight to a chosen file, and frees its copy then", async () => {
    await startWith("1-24");
    const page = await browser.open(swarm.catalogUrl);
    await page.evaluate(() => {
      const showSaveFilePicker = async ({ suggestedName }: { suggestedName: string }) => {
        const root = await navigator.storage.getDirectory();
        return root.getFileHandle(`chosen ${suggestedName}`, { create: true });
      };
      Object.assign(window, { showSaveFilePicker });
    });
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Complete");
    await download.press("Save");
    await download.card.waitFor({ state: "detached" });
    expect(await keptFolders(page)).toEqual([]);
    const hash = await page.evaluate(async (file) => {
      const handle = await (await navigator.storage.getDirectory()).getFileHandle(file);
      const bytes = await (await handle.getFile()).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    }, `chosen ${name}`);
    expect(hash).toBe(await sha256sum(swarm.path(name)));
  });
});

/** Names of the downloads that the page's origin keeps bytes of. */
function keptFolders(page: Awaited<ReturnType<PageDriver["open"]>>): Promise<string[]> {
  return page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const names: string[] = [];
    const downloads = await root.getDirectoryHandle("downloads", { create: true });
    for await (const [folder] of (downloads as unknown as { entries(): AsyncIterable<[string]> }).entries()) {
      names.push(folder);
    }
    return names;
  });
}
