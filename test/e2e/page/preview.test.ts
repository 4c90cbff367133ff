import { mkdir, writeFile } from "node:fs/promises";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { player } from "../../support/page/player.ts";
import { makeFilm, makeMedia } from "../../support/page/samples.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import { LocalSwarm } from "../../support/swarms/local-swarm.ts";

const FILM_S = 40;
/** A browser and ten processes share the machine. */
const slow = { timeout: 60_000 };

let swarm: LocalSwarm;
let browser: PageDriver;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  browser = await PageDriver.start();
  await mkdir(swarm.path("show/season 1"), { recursive: true });
  await makeFilm(swarm.path("film.webm"), FILM_S);
  await makeFilm(swarm.path("show/season 1/one.webm"), 5);
  await makeFilm(swarm.path("show/season 1/two.webm"), 7);
  await makeMedia(swarm.path("show/cover.png"), "testsrc=size=320x200", "-frames:v", "1");
  await makeMedia(swarm.path("show/song.ogg"), "sine=duration=5");
  await writeFile(swarm.path("show/notes.txt"), `Überschrift\n${"a line of text\n".repeat(40_000)}`);
  await writeFile(swarm.path("show/broken.mp4"), "this is no film");
  for (const name of ["film.webm", "show"]) await swarm.publish(name, "--piece-length", "64KiB");
  // Slower than the browser would read, so that the film plays while most of it is missing.
  await swarm.peer("a", "film.webm", undefined, "0", "--limit-upload", "120KiB");
  await swarm.peer("b", "film.webm", undefined, "0", "--limit-upload", "120KiB");
  await swarm.peer("c", "show");
}, 240_000);
afterAll(async () => {
  await browser?.stop();
  await swarm?.stop();
});

async function verified(page: Page): Promise<string> {
  return page.locator("article").first().innerText();
}

describe("a film", () => {
  it("plays while it downloads, and after a jump, and the map shows where", async () => {
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, "film.webm").start();
    await page.getByRole("button", { name: "Play" }).click();
    const { time, duration, seek } = player(page);
    await seek(0);
    await expect.poll(time, slow).toBeGreaterThan(1);
    expect(await duration()).toBeCloseTo(FILM_S, 0);
    expect(await verified(page)).not.toContain("Complete");
    await expect.poll(() => verified(page), slow).toContain("being read");

    await seek(0.8 * FILM_S);
    await expect.poll(time, slow).toBeGreaterThan(0.8 * FILM_S + 1);
    expect(await verified(page)).not.toContain("Complete");
    await pictureState(page, "preview-video");
    await page.getByRole("button", { name: "Close" }).click();
    const button = page.getByRole("button", { name: "Play" });
    await expect.poll(() => button.evaluate((one) => one === document.activeElement)).toBe(true);
    await download.becomes("Complete");
    expect(browser.problems).toEqual([]);
    await page.close();
  });

  it("plays when all of it is there", async () => {
    const page = await browser.open(swarm.catalogUrl);
    await page.getByRole("button", { name: "Play" }).click();
    const { time, seek } = player(page);
    await seek(20);
    await expect.poll(time, slow).toBeGreaterThan(21);
    await page.close();
  });
});

describe("a folder", () => {
  let page: Page;
  beforeAll(async () => {
    page = await browser.open(swarm.catalogUrl);
    await new DownloadOnPage(page, "show").start();
    await page.locator("summary", { hasText: "Files" }).first().click();
  });

  const press = (label: string) => page.getByRole("button", { name: label, exact: true }).click();
  const preview = (path: string) => page.getByRole("region", { name: `Preview of ${path}` });
  const hasFocus = (target: Locator) => target.evaluate((element) => element === document.activeElement);

  it("plays each of several films, and music", async () => {
    for (const [path, seconds] of [
      ["season 1/one.webm", 5],
      ["season 1/two.webm", 7],
      ["song.ogg", 5],
    ] as const) {
      await press(`Play ${path}`);
      const { duration } = player(page);
      await expect.poll(duration, slow).toBeCloseTo(seconds, 0);
    }
    await pictureState(page, "preview-audio");
  });

  it("shows a picture and the beginning of a text", async () => {
    await press("Show cover.png");
    const width = () =>
      page.locator(".preview img").evaluate((image: HTMLImageElement) => image.naturalWidth);
    await expect.poll(width, slow).toBe(320);
    await pictureState(page, "preview-picture");
    await press("Read notes.txt");
    const text = page.locator(".preview textarea");
    await expect.poll(() => text.inputValue(), slow).toMatch(/^Überschrift\na line/);
    await expect.poll(() => page.locator(".preview").innerText(), slow).toContain("This is the beginning");
    await pictureState(page, "preview-text");
  });

  it("says in words that a file cannot be shown", async () => {
    await press("Play broken.mp4");
    await expect
      .poll(() => page.locator(".preview").innerText())
      .toContain("This browser cannot show the file");
    await pictureState(page, "preview-failed");
  });

  it("takes the focus when it opens, and gives it back to its button when it closes", async () => {
    for (const [action, path, name] of [
      ["Play", "season 1/one.webm", "one.webm"],
      ["Read", "notes.txt", "notes.txt"],
    ] as const) {
      const button = page.getByRole("button", { name: `${action} ${path}`, exact: true });
      await button.focus();
      await page.keyboard.press("Enter");
      await expect.poll(() => hasFocus(preview(name))).toBe(true);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await expect.poll(() => hasFocus(button)).toBe(true);
      expect(await preview(name).count()).toBe(0);

      await page.keyboard.press("Enter");
      await expect.poll(() => hasFocus(preview(name))).toBe(true);
      await page.locator(".preview :is(video, textarea)").focus();
      await page.keyboard.press("Escape");
      await expect.poll(() => hasFocus(button)).toBe(true);
      expect(await preview(name).count()).toBe(0);
    }
  });
});
