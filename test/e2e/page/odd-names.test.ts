import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import type { LocalSwarm } from "../../support/swarms/local-swarm.ts";
import { UploadSwarm, uploadToken } from "../../support/swarms/upload-swarm.ts";

const long = `${"w".repeat(240)}.bin`;
const folder = "שלום עולם <b>&amp; 数据";
const inFolder = [
  "W".repeat(255),
  `${"deep/".repeat(100)}end`,
  "مرحبا/a-b-c.txt",
  "a\u0301".repeat(80),
  "<img src=x onerror=alert(1)>",
  "{{7*7}}",
  "__proto__",
  "constructor",
  "0",
];

describe("names of any length and script in a tab", () => {
  let uploads: UploadSwarm;
  let swarm: LocalSwarm;
  let browser: PageDriver;

  beforeAll(async () => {
    uploads = await UploadSwarm.start(1);
    swarm = uploads.swarm;
    await uploads.peer(0);
    await writeFile(swarm.path(long), "w");
    for (const path of inFolder) {
      const file = join(swarm.path(folder), path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, path);
    }
    const torrent = swarm.path("odd.json");
    await swarm.done("maker", ["create", swarm.path(long), "-o", torrent]);
    await swarm.done("maker", ["publish", torrent, "--catalog", swarm.catalogUrl, "--name", long]);
    await swarm.publish(folder);
    await swarm.peer("folder", folder);
  });
  afterAll(() => uploads?.stop());
  beforeEach(async () => {
    browser = await PageDriver.start();
  });
  afterEach(async ({ task }) => {
    expect(browser.problems).toEqual([]);
    await browser.stop(task);
  });

  it("fit into the list, a card, the files and a notice", async () => {
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, folder).start();
    await download.becomes("Complete");
    await download.card.getByText("Files", { exact: true }).click();
    for (const path of inFolder)
      await download.card.getByRole("checkbox", { name: path, exact: true }).waitFor();
    await page.goto(`${swarm.catalogUrl}/#/t/${encodeURIComponent(long)}`);
    await page.getByRole("heading", { name: long, exact: true }).waitFor();
    await page.getByRole("button", { name: "Download", exact: true }).click();
    await pictureState(page, "37-odd-names");
    await page.getByRole("searchbox").fill("x".repeat(300));
    await page.getByText(/^No torrent matches/).waitFor();
    await pictureState(page, "38-long-search");
  });

  it("are refused for a publication where some system could not have them, with the reason", async () => {
    const page = await browser.open(`${uploads.catalogUrl}/#token=${uploadToken}`);
    const refused = ["con.txt", "ends in a dot.", "c:olon", "tab\tinside", "turned \u202etxt.exe"];
    const files = refused.map((name) => ({ name, mimeType: "text/plain", buffer: Buffer.from("x") }));
    await page.locator('input[type="file"][multiple]').setInputFiles(files);
    await expect
      .poll(() => page.locator("article .state").allTextContents(), { timeout: 60_000 })
      .toEqual(refused.map(() => "Stopped"));
    await pictureState(page, "39-refused-names");
  });
});
