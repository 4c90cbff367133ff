import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { LocalSwarm, readTorrentJson, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const name = "Año 1.bin";

/** Drags a link from another window onto the page. */
async function dropLink(page: Page, url: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [{ mimeType: "text/uri-list", data: url }], dragOperationsMask: 1 };
  const tell = (type: "dragEnter" | "dragOver" | "drop") =>
    session.send("Input.dispatchDragEvent", { type, x: 200, y: 300, data });
  const overlay = page.getByText("Drop to open the link");
  // A browser drops only what it has heard was accepted, and it hears that some time after the page has said so.
  const drop = async () => {
    for (const type of ["dragEnter", "dragOver"] as const) await tell(type);
    await overlay.waitFor();
    for (const type of ["dragOver", "drop"] as const) await tell(type);
    return overlay.count();
  };
  await expect.poll(drop, { timeout: 60_000 }).toBe(0);
  await session.detach();
}

async function openUrl(page: Page, url: string): Promise<void> {
  await page.getByRole("button", { name: "Open a torrent" }).click();
  await page.getByLabel("Or its URL").fill(url);
  await page.getByRole("button", { name: "Open", exact: true }).click();
}

describe("a link to share", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;
  let infoHash: string;
  /** A catalog that has nothing and names a tracker that is not there. */
  let other: string;
  let page: Page;

  beforeAll(async () => {
    swarm = await LocalSwarm.start();
    await writeRandomFile(swarm.path(name), 300_000);
    infoHash = (await readTorrentJson(await swarm.publish(name, "--piece-length", "64KiB"))).info_hash;
    await swarm.peer("seed", name);
    other = await swarm.run("other", ["catalog", "--port", "0", "--tracker", "http://127.0.0.1:1"]).url();
  });
  afterAll(() => swarm?.stop());
  beforeEach(async () => {
    browser = await PageDriver.start();
  });
  afterEach(async ({ task }) => {
    expect(browser.problems).toEqual([]);
    await browser.stop(task);
  });

  const shown = () => page.getByRole("heading", { name, level: 2 }).waitFor();

  it("is taken by the page that gave it: where it asks for a URL, in the search, and dropped", async () => {
    page = await browser.open(swarm.catalogUrl);
    const links = [infoHash, encodeURIComponent(name)].map((key) => `${swarm.catalogUrl}/#/t/${key}`);
    for (const link of links) {
      await openUrl(page, link);
      await shown();
      await page.goto(`${swarm.catalogUrl}/#/`);
      await page.getByRole("searchbox").fill(` ${link} `);
      await page.getByText("1 torrent", { exact: true }).waitFor();
      await page.getByRole("button", { name: `Download ${name}` }).waitFor();
      await page.getByRole("searchbox").fill("");
      await dropLink(page, `# a comment\r\n${link}\r\n`);
      await shown();
      await page.goto(`${swarm.catalogUrl}/#/`);
    }
  });

  it("is taken by the page of another catalog, which then asks the trackers of the first, also after a reload", async () => {
    const link = `${swarm.catalogUrl}/#/t/${infoHash}`;
    page = await browser.open(other);
    await openUrl(page, link);
    await shown();
    await page.goto("about:blank");
    await page.goto(other);
    await dropLink(page, link);
    await shown();
    await page.getByRole("button", { name: "Download", exact: true }).click();
    const download = new DownloadOnPage(page, name);
    await download.becomes("Complete");
    await page.reload();
    await download.becomes("Complete");
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
  });

  it("is offered to be opened where it is searched for, like the URL of any torrent", async () => {
    await swarm.done("publisher", ["publish", swarm.path(`${name}.json`), "--name", "x", "--catalog", other]);
    for (const link of [`${swarm.catalogUrl}/#/t/${infoHash}`, `${swarm.catalogUrl}/files/${name}.json`]) {
      page = await browser.open(other);
      await page.getByRole("searchbox").fill(link);
      await page.getByRole("button", { name: "Open this URL" }).click();
      await shown();
    }
    await page.getByRole("searchbox").fill(`${swarm.catalogUrl}/#/t/nothing`);
    await page.getByText(/^No torrent matches .*nothing/).waitFor();
    await page.getByRole("button", { name: "Open this URL" }).click();
    await page.getByRole("alert").getByText("does not give a torrent").waitFor();
    await dropLink(page, `${swarm.catalogUrl}/healthz`);
    await page.getByRole("alert").getByText("That cannot be used").first().waitFor();
  });

  it("is no tracker", async () => {
    page = await browser.open(swarm.catalogUrl);
    await page.getByRole("button", { name: "Open a torrent" }).click();
    await page.getByLabel("Trackers to ask").fill(`${swarm.catalogUrl}/#/t/${infoHash}`);
    await page.getByLabel("Trackers to ask").blur();
    await page.getByText("expected the URL of a tracker, not of a torrent").waitFor();
    // A page of earlier days has kept one.
    const kept = JSON.stringify([`${swarm.catalogUrl}/#/t/${infoHash}`, "no URL"]);
    await page.evaluate((text) => localStorage.setItem("pieza.trackers", text), kept);
    await page.reload();
    await (await new DownloadOnPage(page, name).start()).becomes("Complete");
  });
});
