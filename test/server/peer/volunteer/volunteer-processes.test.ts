import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { open, rm, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { freePort } from "../../../support/free-port.ts";
import type { PiezaProcess } from "../../../support/processes/pieza-process.ts";
import { LocalSwarm, readTorrentJson, writeRandomFile } from "../../../support/swarms/local-swarm.ts";
import { OrderingTracker } from "../../../support/swarms/ordering-tracker.ts";

// Processes on a busy machine: what counts is that nothing hangs.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const MiB = 1 << 20;
const name = "file.bin";
const soon = { timeout: 60_000, interval: 20 };

let swarm: LocalSwarm;
/** Who orders, and whom only the volunteer knows. */
let tracker: OrderingTracker;
let torrent: Awaited<ReturnType<typeof readTorrentJson>>;
let seeder: PiezaProcess;
let mounted: string | undefined;
beforeEach(async () => {
  swarm = await LocalSwarm.start();
  tracker = await OrderingTracker.start();
});
afterEach(async () => {
  if (mounted) execFileSync("umount", ["-l", mounted]);
  mounted = undefined;
  await swarm.stop();
  await tracker.close();
});

/** Publishes so many pieces of 1 MiB, and has a peer that serves them all. */
async function publish(pieces: number, ...flags: string[]): Promise<void> {
  await writeRandomFile(swarm.path(name), pieces * MiB);
  torrent = await readTorrentJson(await swarm.publish(name));
  seeder = await swarm.peer("seeder", name, undefined, "0", ...flags);
}

function volunteer(port: string, ...flags: string[]): PiezaProcess {
  const lent = ["--volunteer", "1GiB", "--catalog", swarm.catalogUrl, "--tracker", tracker.url];
  return swarm.run("volunteer", ["peer", "--port", port, ...lent, ...flags]);
}

async function order(first: number, last: number) {
  const { info_hash: infoHash, total_pieces: totalPieces } = torrent;
  const sources = [await seeder.url()];
  return { orderId: "1", infoHash, totalPieces, ranges: [{ first, last }], sources, expiresMs: 30_000 };
}

const announced = () => tracker.held.get(torrent.info_hash) ?? [];

/** Fails unless the peer gives every piece that it has announced, and the right bytes. */
async function checkAnnounced(url: string): Promise<void> {
  for (const index of announced()) {
    const response = await fetch(`${url}/pieces/${torrent.info_hash}/${index + 1}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const said = response.ok ? "" : Buffer.from(bytes).toString();
    expect(response.status, `piece ${index + 1}: ${said}`).toBe(200);
    const hash = createHash("sha256").update(bytes).digest("hex");
    expect(hash, `piece ${index + 1}`).toBe(torrent.pieces[index]!.hash);
  }
}

it("a volunteer that is killed in the middle of a copy goes on when it is back, and never announces half a piece", async () => {
  await publish(32);
  tracker.answer = { orders: [await order(1, 32)] };
  // What a peer keeps goes by its port.
  const port = String(await freePort());
  const first = volunteer(port, "--limit-copies", "8MiB");
  await expect.poll(() => announced().length, soon).toBeGreaterThan(4);
  expect(announced().length).toBeLessThan(32);
  first.kill("SIGKILL");
  await first.exit;
  const before = announced();
  tracker.held.clear();
  const second = volunteer(port);
  await expect.poll(() => announced().length, soon).toBeGreaterThan(0);
  // What was announced before is there: only what was in flight is missing.
  expect(before.filter((index) => !announced().includes(index))).toEqual([]);
  await expect.poll(() => announced().length, soon).toBe(32);
  await checkAnnounced(await second.url());
});

/** Asks for the same again and again until it is stopped, which tells all the answers' statuses. */
function askOn(url: string) {
  const statuses: number[] = [];
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      const response = await fetch(url);
      await response.arrayBuffer();
      statuses.push(response.status);
    }
    return statuses;
  })();
  return {
    stop() {
      isOver = true;
      return asking;
    },
  };
}

it("a full disk ends its orders, and nothing else", async () => {
  await publish(12);
  mounted = swarm.path("data-volunteer");
  mkdirSync(mounted);
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", mounted]);
  expect(mount.status, "this test mounts a small tmpfs: run it as root").toBe(0);
  tracker.answer = { orders: [await order(1, 12)] };
  const peer = volunteer("0", "--limit-copies", "1MiB");
  await expect.poll(() => announced().length, soon).toBeGreaterThan(1);
  const asking = askOn(`${await peer.url()}/pieces/${torrent.info_hash}/${announced()[0]! + 1}`);
  await writeFile(`${mounted}/ballast`, Buffer.alloc(16 * MiB)).catch(() => {});
  await expect.poll(() => tracker.last?.declined.map(({ reason }) => reason), soon).toEqual([2]);
  expect(tracker.last?.volunteer?.freeBytes).toBe(0n);
  expect(announced().length).toBeLessThan(12);
  const statuses = await asking.stop();
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  await checkAnnounced(await peer.url());
  await rm(`${mounted}/ballast`);
  peer.kill("SIGTERM");
  expect(await peer.finished(30_000), peer.text).toBe(0);
});

it("the last holder leaves when a volunteer has everything, and the bytes are right", async () => {
  const leaving = await OrderingTracker.start("of the leaving");
  try {
    await publish(64, "--tracker", leaving.url);
    leaving.answer = () => ({ lastCopies: 64 - announced().length });
    const peer = volunteer("0");
    await expect.poll(() => tracker.heard.length, soon).toBeGreaterThan(0);
    seeder.kill("SIGTERM");
    await expect.poll(() => leaving.heard.some(({ event }) => event === 4), soon).toBe(true);
    tracker.answer = { orders: [await order(1, 64)] };
    expect(await seeder.finished(60_000), seeder.text).toBe(0);
    expect(announced()).toHaveLength(64);
    await checkAnnounced(await peer.url());
  } finally {
    await leaving.close();
  }
});

it("a rotten piece is announced no more, nor given to anybody, and is right again when it was copied anew", async () => {
  await publish(8);
  tracker.answer = { orders: [await order(1, 8)] };
  const peer = volunteer("0", "--scrub-every", "0s", "--limit-scrub", "1GiB");
  await expect.poll(() => announced().length, soon).toBe(8);
  tracker.answer = {};
  const copies = swarm.path("data-volunteer/peer-0/copies");
  const part = `${copies}/${torrent.info_hash}/.content.${torrent.info_hash.slice(0, 8)}.part`;
  const file = await open(part, "r+");
  await file.write(Buffer.from("rotten"), 0, 6, 3 * MiB + 5);
  await file.close();
  await expect.poll(() => announced(), soon).toEqual([0, 1, 2, 4, 5, 6, 7]);
  const url = await peer.url();
  expect((await fetch(`${url}/pieces/${torrent.info_hash}/4`)).status).toBe(404);
  tracker.answer = { orders: [await order(4, 4)] };
  await expect.poll(() => announced().length, soon).toBe(8);
  await checkAnnounced(url);
});

it("a peer that nobody relieves leaves when its time is over, and at once when it is told twice", async () => {
  tracker.answer = { lastCopies: 1 };
  await publish(1, "--tracker", tracker.url, "--drain-timeout", "1s");
  seeder.kill("SIGTERM");
  expect(await seeder.finished(30_000), seeder.text).toBe(0);
  const stubborn = await swarm.peer("seeder", name, undefined, "0", "--tracker", tracker.url);
  await expect.poll(() => tracker.heard.filter(({ event }) => event === 1).length, soon).toBe(2);
  stubborn.kill("SIGTERM");
  await expect.poll(() => tracker.heard.filter(({ event }) => event === 4).length, soon).toBe(2);
  stubborn.kill("SIGTERM");
  expect(await stubborn.finished(30_000), stubborn.text).toBe(130);
});
