import { mkdir, writeFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { player } from "../../support/page/player.ts";
import { redPart } from "../../support/page/red-part.ts";
import { makeFilm, makePdf } from "../../support/page/samples.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import { LocalSwarm } from "../../support/swarms/local-swarm.ts";

const FILM_S = 40;
/** A browser and ten processes share the machine. */
const slow = { timeout: 60_000 };

let swarm: LocalSwarm;
let browser: PageDriver;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  browser = await PageDriver.start({ hosts: ["pieza.test"] });
  await mkdir(swarm.path("papers"));
  await makePdf(swarm.path("papers/red.pdf"));
  await writeFile(swarm.path("papers/notes.txt"), "a line of text\n");
  await makeFilm(swarm.path("film.webm"), FILM_S);
  await makeFilm(swarm.path("half.webm"), FILM_S);
  for (const name of ["film.webm", "half.webm", "papers"])
    await swarm.publish(name, "--piece-length", "64KiB");
  // Slower than the browser would read, so that the film plays while most of it is missing.
  await swarm.peer("slow", "film.webm", undefined, "0", "--limit-upload", "240KiB");
  await swarm.peer("half", "half.webm", "1-12");
  await swarm.peer("papers", "papers");
}, 240_000);
afterAll(async () => {
  await browser?.stop();
  await swarm?.stop();
});

describe("a preview", () => {
  it("shows a PDF", async () => {
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, "papers").start();
    await download.becomes("Complete");
    await page.locator("summary", { hasText: "Files" }).first().click();
    await page.getByRole("button", { name: "Read red.pdf" }).click();
    const frame = page.locator(".preview iframe");
    const drawn = async () => page.evaluate(redPart, (await frame.screenshot()).toString("base64"));
    await expect.poll(drawn, slow).toBeGreaterThan(0.1);
    await page.close();
  });

  it("plays a film of a paused download, which stays paused", async () => {
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, "film.webm").start();
    await download.becomes("Downloading");
    await download.press("Pause");
    await download.becomes("Paused");
    await download.press("Play");
    const { time, seek } = player(page);
    await seek(0.7 * FILM_S);
    await expect.poll(time, slow).toBeGreaterThan(0.7 * FILM_S + 1);
    await download.becomes("Paused");
    expect(await download.heldPercent()).toBeLessThan(100);
    await download.press("Close");
    await download.press("Resume");
    await download.becomes("Complete");
    await page.close();
  });

  it("says that it waits while nobody has the pieces that come next", async () => {
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, "half.webm").start();
    await download.becomes("Waiting for peers");
    await download.press("Play");
    await player(page).seek(0.8 * FILM_S);
    await page.getByText("Waiting for the pieces that come next").waitFor();
    await pictureState(page, "preview-waiting");
    await page.close();
  });
});

describe("a page without a service worker", () => {
  let page: Page;
  beforeAll(async () => {
    const flags = ["--port", "0", "--allowed-host", "pieza.test", ...swarm.trackerFlag];
    const url = await swarm.run("insecure", ["catalog", ...flags]).url();
    for (const name of ["film.webm", "half.webm", "papers"]) {
      await swarm.done("publisher", ["publish", swarm.path(`${name}.json`), "--catalog", url]);
    }
    page = await browser.open(`http://pieza.test:${new URL(url).port}/`);
  });

  it("plays a film from a peer that has all of it", async () => {
    const download = await new DownloadOnPage(page, "film.webm").start();
    await download.press("Play");
    const { media, time, seek } = player(page);
    expect(await media.getAttribute("src")).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/content\//);
    await seek(0.7 * FILM_S);
    await expect.poll(time, slow).toBeGreaterThan(0.7 * FILM_S + 1);
    await download.press("Close");
  });

  it("reads a text from there, and says in words what it cannot show", async () => {
    const papers = await new DownloadOnPage(page, "papers").start();
    await papers.card.locator("summary", { hasText: "Files" }).click();
    await papers.press("Read notes.txt");
    await expect.poll(() => page.locator(".preview textarea").inputValue(), slow).toBe("a line of text\n");
    await papers.press("Read red.pdf");
    await page.getByText("A PDF can be shown here on a page by https or on localhost").waitFor();
    await papers.press("Close");
    const half = await new DownloadOnPage(page, "half.webm").start();
    await half.press("Play");
    await page.getByText("or when one peer has all of it").waitFor();
    expect(browser.problems).toEqual([]);
  });
});
