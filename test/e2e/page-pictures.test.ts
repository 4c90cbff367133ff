import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256sum, writeRandomFile } from "../support/local-swarm.ts";
import { DownloadOnPage, PageDriver } from "../support/page-driver.ts";
import { pictures } from "../support/pictures.ts";
import { UploadSwarm, uploadToken } from "../support/upload-swarm.ts";

const MiB = 1 << 20;

/** Both sizes and both schemes; PIEZA_ALL_PICTURES=1 makes all four of each state. */
const sizes: readonly (readonly [width: number, colorScheme: "light" | "dark"])[] =
  process.env.PIEZA_ALL_PICTURES === "1"
    ? [
        [1280, "light"],
        [1280, "dark"],
        [360, "light"],
        [360, "dark"],
      ]
    : [
        [1280, "light"],
        [360, "dark"],
      ];

/** Every state as a person sees it: pictures to judge, in test-results/; that axe has nothing to say, and that nothing is wider than the window. */
describe("the page as it looks", () => {
  let uploads: UploadSwarm;
  let browser: PageDriver;

  beforeAll(async () => {
    uploads = await UploadSwarm.start(2);
    browser = await PageDriver.start();
    await mkdir(pictures, { recursive: true });
  });
  afterAll(async () => {
    await browser?.stop();
    await uploads?.stop();
  });

  async function picture(page: Page, name: string): Promise<void> {
    for (const [width, colorScheme] of sizes) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: width === 360 ? 740 : 800 });
      // What the change of size or scheme has set off is drawn by then.
      await page.evaluate(
        () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))),
      );
      await page.screenshot({ path: join(pictures, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(tooWide, `${name} at ${width}`).toBeLessThanOrEqual(0);
    }
    const { violations } = await new AxeBuilder({ page: page as never }).analyze();
    const said = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    expect(said, name).toEqual([]);
  }

  it("from an empty catalog to a saved file", async () => {
    const { swarm } = uploads;
    const page = await browser.open(uploads.catalogUrl);
    await page.getByText("This catalog has no torrents yet.").waitFor();
    await page.getByRole("button", { name: "Open a torrent" }).click();
    await picture(page, "1-empty");
    await page.getByRole("button", { name: "Open a torrent" }).click();

    const path = swarm.path("landscape-survey.tiff");
    await writeRandomFile(path, 23 * MiB);
    const choose = page.locator('input[type="file"][multiple]');
    await choose.setInputFiles(path);
    await page.getByText("This catalog wants its token").waitFor();
    await picture(page, "2-token");
    await page.getByLabel("Token").fill(uploadToken);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByText("not all of its pieces are at a peer yet").waitFor();
    await picture(page, "3-unstored");
    const slowly = ["--limit-upload", "4MiB"];
    const peers = [await uploads.peer(0, "1GiB", ...slowly), await uploads.peer(1, "1GiB", ...slowly)];
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("Storing", { exact: true }).waitFor();
    await picture(page, "4-storing");
    await page.getByText("Shared", { exact: true }).waitFor();
    await picture(page, "5-shared");

    await page.getByRole("link", { name: "landscape-survey.tiff" }).click();
    await page.getByText("Swarm", { exact: true }).click();
    await page.getByText("2 seeders").waitFor();
    await picture(page, "6-opened-with-swarm");

    const download = new DownloadOnPage(page, "landscape-survey.tiff");
    await page.getByRole("button", { name: "Download", exact: true }).click();
    await download.becomes("Downloading");
    peers[0]!.kill("SIGKILL");
    await picture(page, "7-downloading");
    await download.becomes("Complete");
    for (const details of ["Rates over time", "Swarm", "What happened"]) {
      await download.card.getByText(details, { exact: true }).click();
    }
    await download.card.getByText(/^\d seeders?$/).waitFor();
    await picture(page, "8-complete");
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(path));
    await picture(page, "9-saved");
    await page.setViewportSize({ width: 3840, height: 2160 });
    await page.screenshot({ path: join(pictures, "9-saved-3840-dark.png") });
    expect(browser.problems).toEqual([]);
  });
});
