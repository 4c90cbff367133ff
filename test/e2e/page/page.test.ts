import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import type { PiezaProcess } from "../../support/processes/pieza-process.ts";
import { LocalSwarm, metric, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const run = promisify(execFile);
const MiB = 1 << 20;

/** Each holds half of 48 pieces, another half than the others; every piece has two holders. */
const halves = { a: "1-24", b: "13-36", c: "25-48", d: "1-12,37-48" };

/** Requests for pieces that a peer has had, by its own /metrics. */
async function piecesAskedOf(peer: PiezaProcess): Promise<number> {
  return metric(await peer.url(), "pieza_piece_requests_total");
}

describe("a tab", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;

  beforeAll(async () => {
    swarm = await LocalSwarm.start();
    browser = await PageDriver.start();
  });
  afterAll(async () => {
    await browser?.stop();
    await swarm?.stop();
  });

  async function seeded(name: string, length: number, ...flags: string[]): Promise<void> {
    await writeRandomFile(swarm.path(name), length);
    await swarm.publish(name, ...flags);
    await swarm.peer(`seed-${name}`, name);
  }

  it("downloads from four peers, each with another half, although one is killed", async () => {
    const name = "forty-eight.bin";
    await writeRandomFile(swarm.path(name), 48 * MiB);
    await swarm.publish(name);
    const peers = [];
    for (const [peer, pieces] of Object.entries(halves)) peers.push(await swarm.peer(peer, name, pieces));
    const [victim, ...living] = peers;

    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    await expect.poll(() => piecesAskedOf(victim!), { timeout: 60_000, interval: 20 }).toBeGreaterThan(2);
    victim!.kill("SIGKILL");
    await download.becomes("Complete");

    const byPeer = await download.piecesByPeer();
    expect(Object.values(byPeer).reduce((sum, pieces) => sum + pieces)).toBe(48);
    for (const peer of living) {
      expect(byPeer[new URL(await peer.url()).host], "pieces of a living peer").toBeGreaterThan(0);
    }
    const saved = await download.save();
    expect(saved.suggestedName).toBe(name);
    expect(await sha256sum(saved.path)).toBe(await sha256sum(swarm.path(name)));
    await page.close();
  });

  it.each([
    ["0 bytes", 0],
    ["1 byte", 1],
    ["exactly two pieces", 2 * 65_536],
    ["two pieces and a byte", 2 * 65_536 + 1],
  ])("downloads a file of %s", async (what, length) => {
    const name = `${what}.bin`;
    await seeded(name, length, "--piece-length", "64KiB");
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Complete");
    const saved = await download.save();
    expect(await sha256sum(saved.path)).toBe(await sha256sum(swarm.path(name)));
    await page.close();
  });

  it("opens a deep link to a name of any characters, and saves under it", async () => {
    const name = "Año 100% #1 & 'ñandú' + 数据 שלום.bin";
    await seeded(name, 100_000, "--comment", "%41 ?x=1#y");
    const page = await browser.open(`${swarm.catalogUrl}/#/t/${encodeURIComponent(name)}`);
    await page.getByRole("button", { name: "Download", exact: true }).click();
    const download = new DownloadOnPage(page, name);
    await download.becomes("Complete");
    const saved = await download.save();
    expect(saved.suggestedName).toBe(name);
    expect(await readFile(saved.path)).toEqual(await readFile(swarm.path(name)));

    const link = await page.getByRole("link", { name, exact: true }).last().getAttribute("href");
    expect(decodeURIComponent(link!)).toBe(`#/t/${name}`);
    await page.close();
  });

  it("saves a folder as a zip that other programs read", async () => {
    const name = "folder";
    await mkdir(join(swarm.path(name), "deep ünder"), { recursive: true });
    await writeFile(join(swarm.path(name), "empty"), "");
    await writeFile(join(swarm.path(name), "deep ünder", "a.txt"), "a".repeat(70_000));
    await writeFile(join(swarm.path(name), "b.txt"), "b");
    await swarm.publish(name, "--piece-length", "64KiB");
    await swarm.peer("seed-folder", name);

    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Complete");
    const saved = await download.save();
    expect(saved.suggestedName).toBe("folder.zip");
    await run("python3", ["-m", "zipfile", "-e", saved.path, swarm.path("unzipped")]);
    await run("diff", ["-r", swarm.path(name), swarm.path("unzipped/folder")]);
    await page.close();
  });

  it("broke no rule of the page's policy meanwhile", () => {
    expect(browser.problems).toEqual([]);
  });
});
