import { execFile } from "node:child_process";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { zipOf } from "../../../web/src/worker/storage/zip.ts";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import { LocalSwarm } from "../../support/swarms/local-swarm.ts";

const run = promisify(execFile);
const name = "odd names";

/** Names that people give their files, and that some system or program reads as something else. */
const odd = [
  "what is this?.mp3",
  'st*ar "quoted" <a> b|c',
  ".bashrc",
  "-rf",
  "~",
  " leading",
  "desktop.ini",
  "Thumbs.db",
  "link.lnk",
  "%2e%2e",
  "$(reboot) `x` & ;.sh",
  "x".repeat(255),
  "e\u0301 数据 שלום \u{1f600}.txt",
  "empty",
  "deep/er?/and/down.txt",
  "deep/er_/and/down.txt",
];

/** Those of them that Chromium writes into no folder of the person's, on any system. */
const refused = /[?*"<>|]|^[ ~]|^(desktop\.ini|thumbs\.db)$|\.lnk$/i;

describe("the zip of a folder", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;
  let page: Page;

  beforeAll(async () => {
    swarm = await LocalSwarm.start();
    for (const [n, path] of odd.entries()) {
      await mkdir(join(swarm.path(name), path, ".."), { recursive: true });
      await writeFile(join(swarm.path(name), path), path === "empty" ? "" : `${n} `.repeat(n * 1_000));
    }
    await swarm.publish(name, "--piece-length", "64KiB");
    await swarm.peer("seed", name);
  });
  afterAll(() => swarm?.stop());
  beforeEach(async () => {
    browser = await PageDriver.start();
  });
  afterEach(async ({ task }) => {
    expect(browser.problems).toEqual([]);
    await browser.stop(task);
  });

  async function complete(prepare: () => void): Promise<DownloadOnPage> {
    page = await browser.open("about:blank");
    await page.addInitScript(prepare);
    await page.goto(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Complete");
    return download;
  }

  /** Unpacks with a program of others into an empty folder. */
  async function unpacked(program: string, args: readonly string[]): Promise<string> {
    const folder = swarm.path("unpacked");
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    await run(program, args, { cwd: folder });
    return join(folder, name);
  }

  it("is unpacked by unzip, 7z and Python, with every name and byte", async () => {
    const { path } = await (await complete(() => {})).save();
    for (const [program, ...args] of [
      ["unzip", "-q", path],
      ["7z", "x", "-y", path],
      ["python3", "-m", "zipfile", "-e", path, "."],
    ]) {
      await run("diff", ["-r", swarm.path(name), await unpacked(program!, args)]);
    }
    await run("7z", ["t", path]);
    await run("unzip", ["-tq", path]);
  });

  it("has names that Windows can write where the browser runs on Windows, and says so", async () => {
    const download = await complete(() => {
      const userAgent = navigator.userAgent.replace(/\(.*?\)/, "(Windows NT 10.0; Win64; x64)");
      Object.defineProperty(navigator, "userAgent", { value: userAgent });
    });
    const { path } = await download.save();
    await download.card.getByText(/5 files were given another name/).waitFor();
    await pictureState(page, "35-renamed");
    const folder = await unpacked("7z", ["x", "-y", path]);
    const names = (await readdir(folder, { recursive: true })).sort();
    expect(names).toContain("what is this_.mp3");
    expect(names.filter((one) => /[?*"<>|:]|(^|\/)[ ~]/.test(one))).toEqual([]);
    expect(names.filter((one) => one.endsWith("down.txt"))).toEqual([
      "deep/er_/and/down.txt",
      "deep/er__/and/down.txt",
    ]);
    await run("diff", [
      join(folder, "deep/er_/and/down.txt"),
      join(swarm.path(name), "deep/er_/and/down.txt"),
    ]);
  });

  it("is not needed: into a folder that the person picks go all files, with another name where the browser refuses one", async () => {
    const download = await complete(pickingFolder);
    await page.evaluate((source) => Object.assign(window, { refusedNames: source }), refused.source);
    await download.press("Save to a folder…");
    await download.card.getByText(/It is saved.\s+9 files were given another name/).waitFor();
    await pictureState(page, "36-saved-renamed");
    const written = await page.evaluate(writtenFiles);
    expect(Object.keys(written)).toHaveLength(odd.length);
    expect(written[`${name}/what is this_.mp3`]).toBe(0);
    expect(written[`${name}/desktop.ini_`]).toBeGreaterThan(0);
    expect(written[`${name}/link.lnk_`]).toBeGreaterThan(0);
    expect(Object.values(written).sort()).toEqual(
      odd.map((path, n) => (path === "empty" ? 0 : `${n} `.length * n * 1_000)).sort(),
    );
    await download.press("Remove");
    await download.press("Delete");
    await download.card.waitFor({ state: "detached" });
  });

  it("can have more files than the old form of a zip counts", async () => {
    const count = 66_000;
    const blob = new Blob(["x"]);
    const zip = await zipOf(Array.from({ length: count }, (_, n) => ({ path: `many/${n}`, blob })));
    const path = swarm.path("many.zip");
    await writeFile(path, zip.stream());
    const { stdout } = await run("7z", ["t", path]);
    expect(stdout).toMatch(new RegExp(`^Files: ${count}$`, "m"));
    await run("unzip", ["-tq", path]);
  });
});

/** In the page: a picker that gives a folder in which some names are refused, as Chromium does in folders of the disk. */
function pickingFolder(): void {
  const { getFileHandle, getDirectoryHandle } = FileSystemDirectoryHandle.prototype;
  const guarded = (own: (name: string, options?: object) => Promise<unknown>) =>
    function (this: unknown, entry: string, options?: object) {
      const { refusedNames } = window as { refusedNames?: string };
      if (refusedNames && new RegExp(refusedNames, "i").test(entry))
        return Promise.reject(new TypeError("Name is not allowed."));
      return own.call(this, entry, options);
    };
  Object.assign(FileSystemDirectoryHandle.prototype, {
    getFileHandle: guarded(getFileHandle as never),
    getDirectoryHandle: guarded(getDirectoryHandle as never),
  });
  const showDirectoryPicker = async () =>
    (await navigator.storage.getDirectory()).getDirectoryHandle("picked", { create: true });
  Object.defineProperty(window, "showDirectoryPicker", { value: showDirectoryPicker });
}

/** In the page: the paths and sizes of what is in the picked folder. */
async function writtenFiles(): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  async function walk(folder: FileSystemDirectoryHandle, path: string): Promise<void> {
    const entries = folder as unknown as { entries(): AsyncIterable<[string, FileSystemHandle]> };
    for await (const [entry, handle] of entries.entries()) {
      if (handle.kind === "directory") await walk(handle as FileSystemDirectoryHandle, `${path}${entry}/`);
      else found[path + entry] = (await (handle as FileSystemFileHandle).getFile()).size;
    }
  }
  await walk(await (await navigator.storage.getDirectory()).getDirectoryHandle("picked"), "");
  return found;
}
