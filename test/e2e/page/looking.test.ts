import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { LocalSwarm, readTorrentJson, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
/** Enough for a second page of the list. */
const MANY = 53;
/**
 * No task of a page may take longer while it downloads, counted in processor time. By the clock, a task on a machine that
 * runs other tests waits for a core as well, so that guard is five times as much. Both figures are printed.
 */
const LONG_TASK_MS = 100;
const SNAPSHOTS_A_SECOND = 10;

describe("looking around in a tab", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;

  beforeAll(async () => {
    swarm = await LocalSwarm.start();
    browser = await PageDriver.start();
  });
  afterAll(async () => {
    await browser?.stop();
    await swarm?.stop();
  });

  async function seeded(name: string, bytes: number, ...flags: string[]) {
    await writeRandomFile(swarm.path(name), bytes);
    await swarm.publish(name, "--piece-length", "64KiB");
    return swarm.peer(`seed-${name}`, name, undefined, "0", ...flags);
  }

  it("finds by part of a name and by info hash, and shows a long list part by part", async () => {
    const folder = swarm.path("data-catalog/catalog-0/torrents");
    await writeRandomFile(swarm.path("one.bin"), 1);
    const torrent = await readTorrentJson(await swarm.publish("one.bin"));
    for (let n = 0; n < MANY; n++) {
      const { info_hash: _, ...rest } = torrent;
      const text = JSON.stringify({ ...rest, file_name: `item ${n}.bin`, comment: `the ${n}th` });
      await writeFile(join(folder, `item ${n}.json`), text);
    }
    const page = await browser.open(swarm.catalogUrl);
    await page.getByText(`${MANY + 1} torrents`).waitFor();
    const items = page.getByRole("region", { name: "Catalog" }).getByRole("listitem");
    expect(await items.count()).toBe(50);
    await page.getByRole("button", { name: "Show more" }).click();
    await expect.poll(() => items.count()).toBe(MANY + 1);

    const search = page.getByRole("searchbox");
    await search.fill("ITEM 4");
    await page.getByText("11 torrents").waitFor();
    await search.fill(torrent.info_hash.slice(0, 20));
    await page.getByText("1 torrent", { exact: true }).waitFor();
    await page.getByRole("link", { name: "one", exact: false }).waitFor();
    await search.fill("nothing like this");
    await page.getByText("No torrent matches “nothing like this”.").waitFor();
    await page.close();
  });

  it("downloads a torrent that does not say its lengths", async () => {
    const name = "old-form.bin";
    await writeRandomFile(swarm.path(name), 200_000);
    const made = swarm.path(`${name}.made.json`);
    await swarm.done("maker", ["create", swarm.path(name), "-o", made, "--piece-length", "64KiB"]);
    const { file_name, total_pieces, pieces } = await readTorrentJson(made);
    const seedForm = JSON.stringify({ file_name, total_pieces, pieces });
    await writeFile(swarm.path(`${name}.json`), seedForm);
    await swarm.done("maker", ["publish", swarm.path(`${name}.json`), "--catalog", swarm.catalogUrl]);
    await swarm.peer("old-form", name);
    const page = await browser.open(`${swarm.catalogUrl}/#/t/${name}`);
    await page.getByText("size unknown").first().waitFor();
    await page.getByRole("button", { name: "Download", exact: true }).click();
    const download = new DownloadOnPage(page, name);
    await download.becomes("Complete");
    expect(Object.values(await download.piecesByPeer())).toEqual([total_pieces]);
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
    await page.close();
  });

  it("opens a torrent from a file and from a URL, and asks the trackers that it was told to remember", async () => {
    const name = "elsewhere.bin";
    await writeRandomFile(swarm.path(name), 300_000);
    const torrent = swarm.path(`${name}.json`);
    await swarm.done("maker", ["create", swarm.path(name), "-o", torrent]);
    await swarm.peer("elsewhere", name);
    const empty = swarm.run("empty", ["catalog", "--port", "0", "--tracker", "http://127.0.0.1:1"]);
    const page = await browser.open(await empty.url());
    await page.getByRole("button", { name: "Open a torrent" }).click();
    await page.getByLabel("Trackers to ask").fill(swarm.trackerUrl);
    await page.getByLabel("Trackers to ask").blur();
    await page.locator('input[type="file"][accept]').setInputFiles(torrent);
    await page.getByRole("heading", { name }).waitFor();
    await page.getByRole("button", { name: "Download", exact: true }).click();
    const download = new DownloadOnPage(page, name);
    await download.becomes("Complete");
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));

    await page.goto("about:blank");
    await page.goto(await empty.url());
    await page.getByRole("button", { name: "Open a torrent" }).click();
    expect(await page.getByLabel("Trackers to ask").inputValue()).toBe(swarm.trackerUrl);
    await swarm.done("maker", ["publish", torrent, "--catalog", swarm.catalogUrl]);
    await page.getByLabel("Or its URL").fill(`${swarm.catalogUrl}/files/${name}.json`);
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.getByRole("heading", { name }).waitFor();
    // The name was there before; the form folds away once the torrent is found.
    await page.getByLabel("Or its URL").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Open a torrent" }).click();
    await page.getByLabel("Or its URL").fill(`${swarm.catalogUrl}/healthz`);
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.getByRole("alert").waitFor();
    await page.close();
  });

  it("has many downloads at once, each of them right", async () => {
    const names = Array.from({ length: 8 }, (_, n) => `many-${n}.bin`);
    for (const name of names) {
      await writeRandomFile(swarm.path(name), 500_000);
      await swarm.publish(name, "--piece-length", "64KiB");
    }
    const paths = names.map((name) => swarm.path(name));
    await swarm.run("many", ["peer", ...paths, "--port", "0", ...swarm.trackerFlag]).url();
    const page = await browser.open(swarm.catalogUrl);
    await page.getByRole("searchbox").fill("many-");
    await page.getByText("8 torrents").waitFor();
    for (const name of names) await new DownloadOnPage(page, name).start();
    for (const name of names) {
      const download = new DownloadOnPage(page, name);
      await download.becomes("Complete");
      expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
    }
    await page.close();
  });

  it("watches a swarm live, draws rates, tells what happened, and never hangs meanwhile", async () => {
    const name = "watched.bin";
    await seeded(name, 24 * MiB, "--limit-upload", "8MiB");
    const page = await browser.open("about:blank");
    await page.addInitScript(() => {
      const tasks: number[] = [];
      const snapshots: number[] = [];
      Object.assign(window, { longTasks: tasks, snapshots });
      const Stock = Worker;
      // A page hears of its worker through this, and so does the test.
      window.Worker = class extends Stock {
        constructor(...args: ConstructorParameters<typeof Worker>) {
          super(...args);
          this.addEventListener("message", ({ data }) => {
            if (data.type === "snapshot") snapshots.push(performance.now());
          });
        }
      };
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) tasks.push(duration);
      }).observe({ type: "longtask", buffered: true });
    });
    await page.goto(swarm.catalogUrl);
    await page.getByRole("searchbox").fill(name);
    const card = page.getByRole("button", { name: `Download ${name}`, exact: true });
    await card.waitFor();
    // Loading the page is not downloading.
    const loading = await page.evaluate(() =>
      (window as never as { longTasks: number[] }).longTasks.splice(0),
    );
    const stopRecording = await browser.recordTasks();
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Downloading");
    for (const details of ["Rates over time", "Swarm", "What happened"]) {
      await download.card.getByText(details, { exact: true }).click();
    }
    await download.card.getByText("1 seeder", { exact: true }).waitFor();
    await download.card.getByText("rarest piece: 1 copy").waitFor();
    const leecher = await swarm.peer("leecher", name, "1-100");
    await download.card.getByText("1 leecher", { exact: true }).waitFor();
    await download.card
      .getByRole("rowheader", { name: new URL(await leecher.url()).host })
      .last()
      .waitFor();
    await download.card
      .getByRole("img", { name: /^Copies of each piece: at least 1, 1\.\d on average/ })
      .waitFor();
    await download.card
      .getByRole("img", { name: /^Rates over time/ })
      .locator("canvas")
      .waitFor();
    await download.becomes("Complete");
    await download.card
      .getByText(/gave \d+ pieces:/)
      .first()
      .waitFor();
    const longest = () =>
      page.evaluate(() => Math.max(0, ...(window as never as { longTasks: number[] }).longTasks));
    const longestMs = await longest();
    const snapshots = await page.evaluate(() => (window as never as { snapshots: number[] }).snapshots);
    expect(snapshots.length).toBeGreaterThan(5);
    const seconds = (snapshots.at(-1)! - snapshots[0]!) / 1_000;
    expect(snapshots.length).toBeLessThanOrEqual(1 + SNAPSHOTS_A_SECOND * Math.max(1, seconds));
    const busiestMs = await stopRecording();
    console.log(`longest task of the page: ${busiestMs.toFixed(1)} ms of processor time`);
    expect(busiestMs).toBeLessThan(LONG_TASK_MS);
    const loadingMs = Math.round(Math.max(0, ...loading));
    console.log(`by the clock ${Math.round(longestMs)} ms, and while it loaded ${loadingMs} ms`);
    expect(longestMs).toBeLessThan(5 * LONG_TASK_MS);
    // The measure itself: a page that hangs is noticed.
    await page.evaluate(() => {
      setTimeout(() => {
        for (const end = performance.now() + 600; performance.now() < end; );
      });
    });
    await expect.poll(longest).toBeGreaterThan(5 * LONG_TASK_MS);
    const found = await new AxeBuilder({ page: page as never }).analyze();
    expect(
      found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
    ).toEqual([]);
    await page.close();
  });

  it("says in Spanish what it waits for and why a peer is out, and marks what is said in English", async () => {
    await writeRandomFile(swarm.path("nadie.bin"), 10);
    await swarm.publish("nadie.bin");
    const page = await browser.open(`${swarm.catalogUrl}/#/t/nadie.bin`);
    await page.getByRole("combobox", { name: "Language" }).selectOption("es");
    await page.getByRole("button", { name: "Descargar", exact: true }).click();
    const reason = page.getByText("Ningún par tiene aún este torrent.");
    await reason.first().waitFor();
    expect(await reason.first().evaluate((it) => it.closest("[lang]")?.getAttribute("lang"))).toBe("es");
    const peer = await swarm.peer("nadie", "nadie.bin", "1", "0");
    const download = new DownloadOnPage(page, "nadie.bin");
    await download.becomes("Completa");
    await peer.stop();

    await writeRandomFile(swarm.path("sin-tracker.bin"), 10);
    await swarm.publish("sin-tracker.bin", "--tracker", "http://127.0.0.1:1");
    await page.goto(`${swarm.catalogUrl}/#/t/sin-tracker.bin`);
    await page.getByRole("button", { name: "Descargar", exact: true }).click();
    await page.getByText("Ningún tracker responde:").first().waitFor();
    const said = page.getByText("cannot be reached").first();
    expect(await said.evaluate((it) => it.closest("[lang]")?.getAttribute("lang"))).toBe("en");
    await page.close();
  });

  it("broke no rule of the page's policy meanwhile", () => {
    expect(browser.problems).toEqual([]);
  });
});
