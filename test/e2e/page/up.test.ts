import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page, Request } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { PiezaProcess } from "../../support/processes/pieza-process.ts";
import { sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const MiB = 1 << 20;

let folder: string;
let up: PiezaProcess;
let browser: PageDriver;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-up-"));
  const ports = ["--tracker-port", "0", "--catalog-port", "0", "--gateway-port", "0", "--peer-port", "0"];
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

/** Copies of each piece, and pieces that get through before the tab is closed. */
const COPIES = 2;
const THROUGH = 7;
const PIECES = 12;

it("a folder dropped on the page of `pieza up`: closed midway it goes on where it was, is used again when published again, and is deleted", async () => {
  const { page: url } = await up.line("ready", (line) => line.event === "ready");
  const survey = join(folder, "Survey 2026");
  await mkdir(join(survey, "raw"), { recursive: true });
  await writeRandomFile(join(survey, "raw", "north.tif"), (PIECES - 1) * MiB);
  await writeRandomFile(join(survey, "notes.txt"), 2_000);
  const first = await browser.open(String(url));
  await first.getByRole("heading", { name: "Catalog" }).waitFor();
  const stores = storesOf(first);
  let through = 0;
  await first.context().route("**/StorePiece", (route) => {
    if (route.request().method() !== "POST" || ++through <= THROUGH) return route.continue();
    return route.abort();
  });
  await dropPath(first, survey);
  await expect.poll(stores.sent, { timeout: 60_000 }).toBeGreaterThan(THROUGH);
  await expect.poll(stores.answered, { timeout: 60_000 }).toBeGreaterThan(0);
  const second = await browser.open(String(url));
  await first.close();
  const stored = stores.answered();
  await second.context().unroute("**/StorePiece");
  const list = second.getByRole("region", { name: "Published from this browser" });
  await list.getByText("Not all pieces reached a peer.").waitFor();

  const more = storesOf(second);
  await dropPath(second, survey);
  const card = second.getByRole("article", { name: "Survey 2026", exact: true });
  await card.getByText("Shared", { exact: true }).waitFor();
  expect(more.answered()).toBeGreaterThan(0);
  // The peers may have made copies of what was there among themselves meanwhile.
  expect(more.sent()).toBeLessThanOrEqual(COPIES * PIECES - stored);

  await second.reload();
  await list.getByRole("link", { name: "Survey 2026" }).waitFor();
  const none = storesOf(second);
  await dropPath(second, survey);
  await card.getByText("Shared", { exact: true }).waitFor();
  expect(none.sent()).toBe(0);

  await card.getByRole("button", { name: "Delete" }).click();
  await card.getByRole("button", { name: "Delete" }).click();
  await card.waitFor({ state: "detached" });
  await second.getByRole("button", { name: "Download Survey 2026" }).waitFor({ state: "detached" });
  expect(browser.problems).toEqual([]);
});

/** Drops what is at `path` onto the page, as the browser does with what comes from the desktop. */
async function dropPath(page: Page, path: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: 300, y: 300, data });
  }
  await session.detach();
}

/** How many pieces the page has sent to peers, and how many of them were taken. */
function storesOf(page: Page): { sent(): number; answered(): number } {
  let [sent, answered] = [0, 0];
  const isStore = (request: Request) => request.method() === "POST" && request.url().endsWith("/StorePiece");
  page.context().on("request", (request) => {
    if (isStore(request)) sent++;
  });
  page.context().on("requestfinished", (request) => {
    if (isStore(request)) answered++;
  });
  return { sent: () => sent, answered: () => answered };
}
