import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import type { PiezaProcess } from "../../support/processes/pieza-process.ts";
import { sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";
import { piecesHeld, UploadSwarm, uploadToken } from "../../support/swarms/upload-swarm.ts";

const MiB = 1 << 20;
const name = "published.bin";

describe("publishing from a tab", () => {
  let uploads: UploadSwarm;
  let browser: PageDriver;

  beforeEach(async () => {
    uploads = await UploadSwarm.start(2);
    browser = await PageDriver.start();
  });
  afterEach(async ({ task }) => {
    await browser?.stop(task);
    await uploads?.stop();
  });

  const open = (fragment = `#token=${uploadToken}`) => browser.open(`${uploads.catalogUrl}/${fragment}`);
  const choose = (page: Page, path: string) =>
    page.locator('input[type="file"][multiple]').setInputFiles(path);
  const card = (page: Page, file = name) => page.getByRole("article", { name: file, exact: true });
  const becomes = (page: Page, state: string, file = name) =>
    card(page, file).locator(".state").getByText(state, { exact: true }).waitFor();

  async function randomFile(pieces: number, file = name): Promise<string> {
    const path = uploads.swarm.path(file);
    await writeRandomFile(path, pieces * MiB);
    return path;
  }

  async function bothPeers(): Promise<PiezaProcess[]> {
    return [await uploads.peer(0), await uploads.peer(1)];
  }

  it("ends in a link under which others have the file, two copies of each piece at the peers", async () => {
    const [path, peers] = [await randomFile(9), await bothPeers()];
    const page = await open();
    await choose(page, path);
    await becomes(page, "Shared");
    for (const peer of peers) expect(await piecesHeld(peer)).toBe(9);
    await page.getByRole("button", { name: `Download ${name}`, exact: true }).waitFor();

    const link = await card(page).getByLabel("Link to share").inputValue();
    const other = await browser.open(link);
    await other.getByRole("button", { name: "Download", exact: true }).click();
    const download = new DownloadOnPage(other, name);
    await download.becomes("Complete");
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(path));
    expect(browser.problems).toEqual([]);
  });

  it("asks for the token when it has none, says when it is another, and keeps the right one", async () => {
    const [path] = [await randomFile(1), await bothPeers()];
    const page = await open("");
    await choose(page, path);
    await becomes(page, "Needs the token");
    for (const token of ["guess", uploadToken]) {
      await card(page).getByLabel("Token").fill(token);
      await card(page).getByRole("button", { name: "Continue" }).click();
      if (token === "guess") await card(page).getByText("That is not this catalog's token.").waitFor();
    }
    await becomes(page, "Shared");

    await page.reload();
    await choose(page, path);
    await becomes(page, "Shared");
  });

  it("goes on where it was when its tab was closed: what is stored is not sent again", async () => {
    const path = await randomFile(12);
    const first = await uploads.peer(0, "5MiB");
    const page = await open();
    await choose(page, path);
    await expect.poll(() => piecesHeld(first), { timeout: 30_000 }).toBe(5);
    await page.close();

    const second = await uploads.peer(1);
    const again = await open();
    await again.getByText("Not all pieces reached a peer.").waitFor();
    const sent: string[] = [];
    again.context().on("request", (request) => {
      if (request.method() === "POST" && request.url().endsWith("/StorePiece")) sent.push(request.url());
    });
    await choose(again, path);
    await becomes(again, "Shared");
    expect(await piecesHeld(first)).toBe(5);
    expect(await piecesHeld(second)).toBe(12);
    const secondUrl = await second.url();
    expect(sent.filter((url) => url.startsWith(secondUrl))).toHaveLength(12);
    // Those that were on their way when the first one said that it is full.
    expect(sent.length - 12).toBeLessThanOrEqual(3);
  });

  it("takes a dropped folder, with names of any characters", async () => {
    await bothPeers();
    const page = await open();
    await drop(page, [
      ["Año 2026/b.txt", "b".repeat(70_000)],
      ["Año 2026/数据/a.txt", "a"],
      ["Año 2026/empty", ""],
    ]);
    await becomes(page, "Shared", "Año 2026");
    const target = uploads.swarm.path("got");
    await mkdir(target);
    await uploads.swarm.done("getter", ["get", "Año 2026", "--catalog", uploads.catalogUrl, "-d", target]);
    expect(await readFile(join(target, "Año 2026", "数据", "a.txt"), "utf8")).toBe("a");
    expect(await readFile(join(target, "Año 2026", "b.txt"), "utf8")).toBe("b".repeat(70_000));
    expect(await readFile(join(target, "Año 2026", "empty"), "utf8")).toBe("");
  });

  it("says which peers take nothing, and goes on when one does", async () => {
    const page = await open();
    await choose(page, await randomFile(2));
    await becomes(page, "Not stored");
    await card(page).getByText("not all of its pieces are at a peer yet").waitFor();
    await uploads.peer(0);
    await card(page).getByRole("button", { name: "Try again" }).click();
    await becomes(page, "Shared");
  });

  it("asks what to do about a name that is taken", async () => {
    await bothPeers();
    const page = await open();
    const folder = uploads.swarm.path("other");
    await mkdir(folder);
    await writeFile(join(folder, name), "something else");
    await choose(page, join(folder, name));
    await becomes(page, "Shared");
    await page.reload();
    await choose(page, await randomFile(1));
    await becomes(page, "Name taken");
    await card(page).getByRole("button", { name: "Publish under this name" }).click();
    await becomes(page, "Shared");
    await page.getByRole("button", { name: "Download published (2).bin" }).waitFor();
  });

  it("takes away what another tab has deleted, also while it is still being stored", async () => {
    const [path, peer] = [await randomFile(3), await uploads.peer(0, "1MiB")];
    const page = await open();
    await choose(page, path);
    await expect.poll(() => piecesHeld(peer), { timeout: 60_000 }).toBe(1);
    await becomes(page, "Not stored");
    await card(page).getByRole("button", { name: "Try again" }).click();
    const other = await open();
    const list = other.getByRole("region", { name: "Published from this browser" });
    await list.getByRole("button", { name: "Delete" }).click();
    await list.getByRole("button", { name: "Delete" }).click();
    await list.waitFor({ state: "detached" });
    await card(page).waitFor({ state: "detached" });
    await page.getByText("This catalog has no torrents yet.").waitFor();
    await other.reload();
    await other.getByText("This catalog has no torrents yet.").waitFor();
    expect(await list.count()).toBe(0);
  });

  it("lists what this browser published, and deletes it", async () => {
    await bothPeers();
    const page = await open();
    await choose(page, await randomFile(1));
    await becomes(page, "Shared");
    await page.reload();
    const list = page.getByRole("region", { name: "Published from this browser" });
    await list.getByRole("link", { name }).waitFor();
    await list.getByRole("button", { name: "Delete" }).click();
    await list.getByRole("button", { name: "Delete" }).click();
    await list.waitFor({ state: "detached" });
    await page.getByText("This catalog has no torrents yet.").waitFor();
  });
});

/** Drops a folder as a person would: the browser builds the tree from the files' paths. */
async function drop(page: Page, files: readonly (readonly [path: string, text: string])[]): Promise<void> {
  await page.evaluate((contents) => {
    const entryOf = (prefix: string, name: string): unknown => {
      const inside = contents.filter(([path]) => path.startsWith(`${prefix}${name}/`));
      const own = contents.find(([path]) => path === prefix + name);
      if (own) {
        const file = (resolve: (file: File) => void) => resolve(new File([own[1]], name));
        return { name, isFile: true, isDirectory: false, file };
      }
      const rest = inside.map(([path]) => path.slice(prefix.length + name.length + 1).split("/", 1)[0]!);
      const entries = [...new Set(rest)].map((child) => entryOf(`${prefix}${name}/`, child));
      const createReader = () => {
        let left = entries;
        return {
          readEntries(resolve: (entries: unknown[]) => void) {
            resolve(left.splice(0, 1));
            left = [...left];
          },
        };
      };
      return { name, isFile: false, isDirectory: true, createReader };
    };
    const top = contents[0]![0].split("/", 1)[0]!;
    const item = { webkitGetAsEntry: () => entryOf("", top) };
    const event = new DragEvent("drop", { bubbles: true, cancelable: true });
    Object.defineProperty(event, "dataTransfer", { value: { types: ["Files"], items: [item] } });
    document.body.dispatchEvent(event);
  }, files);
}
