import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { pictures } from "../../support/page/pictures.ts";
import { LocalSwarm, sent } from "../../support/swarms/local-swarm.ts";

const run = promisify(execFile);
const KiB = 1 << 10;
const PIECE = 64 * KiB;
const name = "survey";

/** In the torrent's order. The first two share a piece, as do the third and the fourth. */
const files: Record<string, Buffer> = {
  "a/first.bin": filled(1, 3 * PIECE + 100),
  "a/second.bin": filled(2, 2 * PIECE),
  "b/third ünï.bin": filled(3, PIECE),
  "c.bin": filled(4, 5 * PIECE),
  "empty.txt": Buffer.alloc(0),
};

function filled(seed: number, bytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, at) => (at * 31 + seed * 97 + (at >> 8)) & 255));
}

describe("the files of a folder in a tab", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;
  let page: Page;

  beforeAll(async () => {
    swarm = await LocalSwarm.start();
    for (const [path, bytes] of Object.entries(files)) {
      await mkdir(dirname(join(swarm.path(name), path)), { recursive: true });
      await writeFile(join(swarm.path(name), path), bytes);
    }
    await swarm.publish(name, "--piece-length", "64KiB");
  });
  afterAll(() => swarm?.stop());
  beforeEach(async () => {
    browser = await PageDriver.start();
    page = await browser.open(swarm.catalogUrl);
  });
  afterEach(async ({ task }) => {
    expect(browser.problems).toEqual([]);
    await browser.stop(task);
  });

  const seeder = (data: string, pieces?: string, ...flags: string[]) =>
    swarm.peer(data, name, pieces, "0", ...flags);

  async function opened(): Promise<DownloadOnPage> {
    await page.goto(`${swarm.catalogUrl}/#/t/${name}`);
    await page.getByText("Files", { exact: true }).click();
    return new DownloadOnPage(page, name);
  }

  it("are chosen before: only their pieces are asked for, and the zip has them alone, right", async () => {
    const peer = await seeder("before");
    const download = await opened();
    await page.getByRole("button", { name: "None" }).click();
    await page.getByText("Choose at least one file.").waitFor();
    await page.getByRole("checkbox", { name: "a/second.bin" }).check();
    await page.getByRole("checkbox", { name: "empty.txt" }).check();
    await page.getByText("2 of 5 files").first().waitFor();
    await page.setViewportSize({ width: 360, height: 740 });
    await page.screenshot({ path: join(pictures, "11-files-360-light.png"), fullPage: true });
    const { violations } = await new AxeBuilder({ page: page as never }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual(
      [],
    );
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(
      0,
    );
    await page.getByRole("button", { name: "Download", exact: true }).click();
    await download.becomes("Complete");
    await download.card.getByText("2 of 5 files").first().waitFor();
    expect(sent(peer).toSorted((a, b) => a - b)).toEqual([4, 5, 6]);
    const { path } = await download.save();
    const target = swarm.path("unzipped");
    await run("python3", ["-m", "zipfile", "-e", path, target]);
    expect(await readFile(join(target, name, "a/second.bin"))).toEqual(files["a/second.bin"]);
    const { stdout } = await run("find", [target, "-type", "f", "-printf", "%P\n"]);
    expect(stdout.trim().split("\n").sort()).toEqual([`${name}/a/second.bin`, `${name}/empty.txt`]);
    await rm(target, { recursive: true });
    await peer.stop();
  });

  it("are chosen while it runs and after its end, kept over a reload, and nothing is asked for twice", async () => {
    const first = await seeder("some", "1-4");
    const download = await opened();
    await page.getByRole("button", { name: "Download", exact: true }).click();
    await download.becomes("Waiting for peers");
    await download.card.getByText("Files", { exact: true }).click();
    // Faster than the worker answers: each choice adds to the one before.
    const boxes = download.card.getByRole("checkbox", { name: /second|third|c\.bin/ });
    await boxes.evaluateAll((inputs) => {
      for (const input of inputs) (input as HTMLInputElement).click();
    });
    await download.card.getByText("2 of 5 files").first().waitFor();
    await download.becomes("Complete");
    expect(sent(first).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);

    await page.reload();
    await download.becomes("Complete");
    await download.card.getByText("2 of 5 files").first().waitFor();
    await download.card.getByText("Files", { exact: true }).click();
    const second = await seeder("all");
    await download.card.getByRole("checkbox", { name: "c.bin" }).check();
    await download.card.getByText("3 of 5 files").first().waitFor();
    // It is still called complete for a moment, as it was before the third file was wanted.
    const asked = () => [...sent(first), ...sent(second)].toSorted((a, b) => a - b);
    await expect.poll(() => asked().length, { timeout: 30_000 }).toBeGreaterThan(4);
    await download.becomes("Complete");
    expect(asked()).toEqual([1, 2, 3, 4, 7, 8, 9, 10, 11, 12]);

    const [saved] = await Promise.all([
      page.waitForEvent("download"),
      download.card.getByRole("button", { name: "Save c.bin" }).click(),
    ]);
    expect(saved.suggestedFilename()).toBe("c.bin");
    expect(await readFile(await saved.path())).toEqual(files["c.bin"]);
    expect(await download.card.getByRole("button", { name: "Save a/second.bin" }).isDisabled()).toBe(true);
    await Promise.all([first.stop(), second.stop()]);
  });

  it("are written into a folder that the person picks, beside what is there, and the copy here is freed", async () => {
    const peer = await seeder("folder");
    await page.addInitScript(() => {
      const showDirectoryPicker = async () =>
        (await navigator.storage.getDirectory()).getDirectoryHandle("picked", { create: true });
      Object.assign(window, { showDirectoryPicker });
    });
    await page.reload();
    await page.evaluate(async (folder) => {
      const picked = await (await navigator.storage.getDirectory()).getDirectoryHandle("picked", {
        create: true,
      });
      await picked.getDirectoryHandle(folder, { create: true });
    }, name);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Complete");
    await download.press("Save to a folder…");
    await download.card.waitFor({ state: "detached" });
    const written = await page.evaluate(readPicked);
    expect(written).toEqual(
      Object.entries(files)
        .map(([path, bytes]) => [`${name} (2)/${path}`, bytes.toString("base64")])
        .sort(),
    );
    await peer.stop();
  });
});

/** What the picked folder holds: paths and bytes. */
async function readPicked(): Promise<[string, string][]> {
  const found: [string, string][] = [];
  async function walk(folder: FileSystemDirectoryHandle, path: string): Promise<void> {
    const entries = folder as unknown as { entries(): AsyncIterable<[string, FileSystemHandle]> };
    for await (const [name, handle] of entries.entries()) {
      if (handle.kind === "directory") await walk(handle as FileSystemDirectoryHandle, `${path}${name}/`);
      else {
        const bytes = new Uint8Array(await (await (handle as FileSystemFileHandle).getFile()).arrayBuffer());
        let text = "";
        for (const byte of bytes) text += String.fromCharCode(byte);
        found.push([`${path}${name}`, btoa(text)]);
      }
    }
  }
  await walk(await (await navigator.storage.getDirectory()).getDirectoryHandle("picked"), "");
  return found.sort();
}
