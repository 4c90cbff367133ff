import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sha256sum, writeRandomFile } from "../support/local-swarm.ts";
import { DownloadOnPage, PageDriver } from "../support/page-driver.ts";
import { PiezaProcess } from "../support/pieza-process.ts";

const MiB = 1 << 20;

let folder: string;
let up: PiezaProcess;
let browser: PageDriver;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-up-"));
  const ports = ["--tracker-port", "0", "--catalog-port", "0", "--peer-port", "0"];
  up = new PiezaProcess(["up", ...ports, "--json", "--data", join(folder, "data")], { cwd: folder });
  browser = await PageDriver.start();
});
afterAll(async () => {
  await browser?.stop();
  up?.kill("SIGINT");
  await up?.finished(30_000);
  await rm(folder, { recursive: true, force: true });
});

/** As a person does it, with nothing but what `pieza up` prints. */
it("the page of `pieza up`, opened as printed: a file is downloaded, another published and shared by its link", async () => {
  const { page: url } = await up.line("ready", (line) => line.event === "ready");
  expect(String(url)).toContain("/#token=");
  const page = await browser.open(String(url));
  const first = page.getByRole("button", { name: /^Download / }).first();
  const name = (await first.getAttribute("aria-label"))!.replace(/^Download /, "");
  const download = await new DownloadOnPage(page, name).start();
  await download.becomes("Complete");
  const peers = await download.piecesByPeer();
  expect(Object.values(peers).reduce((sum, pieces) => sum + pieces)).toBeGreaterThan(0);
  await download.save();

  const path = join(folder, "holiday.mov");
  await writeRandomFile(path, 5 * MiB);
  await page.locator('input[type="file"][multiple]').setInputFiles(path);
  const published = page.getByRole("article", { name: "holiday.mov", exact: true });
  await published.getByText("Shared", { exact: true }).waitFor();
  const link = await published.getByLabel("Link to share").inputValue();

  const other = await browser.open(link);
  await other.getByRole("button", { name: "Download", exact: true }).click();
  const shared = new DownloadOnPage(other, "holiday.mov");
  await shared.becomes("Complete");
  expect(await sha256sum((await shared.save()).path)).toBe(await sha256sum(path));
  expect(browser.problems).toEqual([]);
});
