import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import { sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";
import { UploadSwarm, uploadToken } from "../../support/swarms/upload-swarm.ts";

const MiB = 1 << 20;

/** Every state as a person sees it: pictures to judge, in test-results/; that axe has nothing to say, and that nothing is wider than the window. */
describe("the page as it looks", () => {
  let uploads: UploadSwarm;
  let browser: PageDriver;

  beforeAll(async () => {
    uploads = await UploadSwarm.start(2);
    browser = await PageDriver.start();
  });
  afterAll(async () => {
    await browser?.stop();
    await uploads?.stop();
  });

  it("from an empty catalog to a saved file", async () => {
    const { swarm } = uploads;
    const page = await browser.open(uploads.catalogUrl);
    await page.getByText("This catalog has no torrents yet.").waitFor();
    await page.getByRole("button", { name: "Open a torrent" }).click();
    await pictureState(page, "1-empty");
    await page.getByRole("button", { name: "Open a torrent" }).click();

    const path = swarm.path("landscape-survey.tiff");
    await writeRandomFile(path, 23 * MiB);
    const choose = page.locator('input[type="file"][multiple]');
    await choose.setInputFiles(path);
    await page.getByText("You need the token of this catalog").waitFor();
    await pictureState(page, "2-token");
    await page.getByLabel("Token").fill(uploadToken);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("not all of its pieces are at a peer yet").waitFor();
    await pictureState(page, "3-unstored");
    const slowly = ["--limit-upload", "4MiB"];
    const peers = [await uploads.peer(0, "1GiB", ...slowly), await uploads.peer(1, "1GiB", ...slowly)];
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("Storing", { exact: true }).waitFor();
    await pictureState(page, "4-storing");
    await page.getByText("Shared", { exact: true }).waitFor();
    await pictureState(page, "5-shared");

    await page.getByRole("link", { name: "landscape-survey.tiff" }).click();
    await page.getByText("Swarm", { exact: true }).click();
    await page.getByText("2 seeders").waitFor();
    await pictureState(page, "6-opened-with-swarm");

    const download = new DownloadOnPage(page, "landscape-survey.tiff");
    await page.getByRole("button", { name: "Download", exact: true }).click();
    await download.becomes("Downloading");
    peers[0]!.kill("SIGKILL");
    await pictureState(page, "7-downloading");
    await download.becomes("Complete");
    for (const details of ["Rates over time", "Swarm", "What happened"]) {
      await download.card.getByText(details, { exact: true }).click();
    }
    await download.card.getByText(/^\d seeders?$/).waitFor();
    await pictureState(page, "8-complete");
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(path));
    await pictureState(page, "9-saved");

    const folder = swarm.path("other");
    await mkdir(folder);
    await writeRandomFile(join(folder, "landscape-survey.tiff"), MiB);
    await choose.setInputFiles(join(folder, "landscape-survey.tiff"));
    await page.getByText("Name taken", { exact: true }).waitFor();
    await pictureState(page, "10-name-taken");
    expect(browser.problems).toEqual([]);
  });
});
