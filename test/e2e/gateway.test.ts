import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contentPath } from "#core/content/content-path.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { geometryOf } from "#core/torrent/torrent.ts";
import { parseTorrentText } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../../server/base/node-hasher.ts";
import { type RunningPeer, startPeer } from "../../server/peer/peer.ts";
import { freePort } from "../support/free-port.ts";
import type { PiezaProcess } from "../support/processes/pieza-process.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const run = promisify(execFile);
const MiB = 1 << 20;

let swarm: LocalSwarm;
let gateway: PiezaProcess;
let liar: RunningPeer;
let dying: PiezaProcess;
let fileUrl: string;
let folderUrl: string;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  await writeRandomFile(swarm.path("big.iso"), 24 * MiB + 12_345);
  await mkdir(swarm.path("show/season 1"), { recursive: true });
  // By default the index of an MP4 is at its end, so that a player has to seek.
  const film = [
    "-f",
    "lavfi",
    "-i",
    "testsrc=duration=20:size=640x360:rate=25",
    "-c:v",
    "mpeg4",
    "-q:v",
    "3",
  ];
  await run("ffmpeg", ["-v", "error", ...film, swarm.path("show/season 1/episode é.mp4")]);
  await writeRandomFile(swarm.path("show/extras.bin"), 3 * MiB + 7);
  fileUrl = await publish("big.iso");
  folderUrl = await publish("show");
  await startPeers();
  // A port of its own, because that names the folder of what it has fetched.
  const port = String(await freePort());
  const flags = [...swarm.trackerFlag, "--catalog", swarm.catalogUrl, "--port", port];
  gateway = swarm.run("gateway", ["gateway", ...flags]);
  const base = await gateway.url();
  fileUrl = `${base}${fileUrl}`;
  folderUrl = `${base}${folderUrl}`;
}, 120_000);
afterAll(async () => {
  await liar?.close();
  await swarm?.stop();
});

/** Publishes a file or folder and returns the path of its content URL. */
async function publish(name: string): Promise<string> {
  const path = await swarm.publish(name, "--piece-length", "256KiB");
  const torrent = await parseTorrentText(await readFile(path, "utf8"), nodeHasher);
  return contentPath(torrent.infoHash, [torrent.fileName], torrent.files !== undefined);
}

/** Four peers none of which has all of the file: one lies, and one dies at the first download. */
async function startPeers(): Promise<void> {
  await swarm.peer("a", "big.iso", "1-60");
  await swarm.peer("b", "big.iso", "41-97");
  dying = await swarm.peer("c", "big.iso", "20-70");
  await swarm.peer("d", "show");
  const torrent = await parseTorrentText(await readFile(swarm.path("big.iso.json"), "utf8"), nodeHasher);
  const store = new MemoryPieceStore(geometryOf(torrent)!);
  for (const index of store.geometry.indices()) {
    if (index % 2 === 0) continue;
    store.write(index, 0, new Uint8Array(store.geometry.lengthOf(index)).fill(7));
    store.commit(index);
  }
  liar = await startPeer({ port: 0, trackers: [swarm.trackerUrl], dataDir: swarm.path("data-liar") });
  liar.add(torrent, store);
}

async function expectSame(downloaded: string, original: string): Promise<void> {
  expect(await sha256sum(downloaded)).toBe(await sha256sum(swarm.path(original)));
}

describe("programs that know nothing of torrents read from a gateway, bit for bit", () => {
  it("curl, while a peer lies and another one dies; and again after a cut", async () => {
    const out = swarm.path("curl.iso");
    const cut = spawn("curl", ["-s", "--limit-rate", "8M", "-o", out, fileUrl]);
    const size = async () => (await stat(out).catch(() => ({ size: 0 }))).size;
    await expect.poll(size, { timeout: 30_000 }).toBeGreaterThan(2 * MiB);
    await dying.stop();
    cut.kill("SIGKILL");
    await once(cut, "close");
    expect(await size()).toBeLessThan(24 * MiB);
    await run("curl", ["-sS", "-C", "-", "-o", out, fileUrl]);
    await expectSame(out, "big.iso");
    expect([...liar.served().values()].flatMap((counts) => [...counts])).not.toEqual([]);
  });

  it("wget, a file and a folder", async () => {
    await run("wget", ["-q", "-O", swarm.path("wget.iso"), fileUrl]);
    await expectSame(swarm.path("wget.iso"), "big.iso");
    await run("wget", ["-q", "-r", "-np", "-nH", "--cut-dirs=2", "-P", swarm.path("wget"), folderUrl]);
    await expectSame(swarm.path("wget/show/season 1/episode é.mp4"), "show/season 1/episode é.mp4");
    await expectSame(swarm.path("wget/show/extras.bin"), "show/extras.bin");
  });

  it("aria2 over four connections", async () => {
    const flags = ["-q", "-x4", "-s4", "-k1M", "-d", swarm.folder, "-o", "aria2.iso"];
    await run("aria2c", [...flags, fileUrl]);
    await expectSame(swarm.path("aria2.iso"), "big.iso");
  });

  it("Python's own client", async () => {
    const script = "import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])";
    await run("/usr/bin/python3", ["-c", script, fileUrl, swarm.path("python.iso")]);
    await expectSame(swarm.path("python.iso"), "big.iso");
  });

  it("rclone's http remote, a folder", async () => {
    const flags = ["--config", swarm.path("rclone.conf"), "--http-url", folderUrl];
    await run("rclone", ["copy", ...flags, ":http:", swarm.path("rclone")]);
    await expectSame(swarm.path("rclone/season 1/episode é.mp4"), "show/season 1/episode é.mp4");
    await expectSame(swarm.path("rclone/extras.bin"), "show/extras.bin");
  });

  it("ffprobe, which reads the end first, and ffmpeg, which seeks", async () => {
    const url = `${folderUrl}season%201/episode%20%C3%A9.mp4`;
    const entries = ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"];
    expect(Number((await run("ffprobe", [...entries, url])).stdout)).toBeCloseTo(20, 1);
    const frame = (input: string) =>
      run("ffmpeg", ["-v", "error", "-ss", "15", "-i", input, "-frames:v", "1", "-f", "md5", "-"]);
    const [ours, local] = await Promise.all([
      frame(url),
      frame(join(swarm.folder, "show/season 1/episode é.mp4")),
    ]);
    expect(ours.stdout).toBe(local.stdout);
  });
});

it("a gateway that is killed and starts again still has what it fetched", async () => {
  await run("curl", ["-sS", "-o", swarm.path("before.iso"), fileUrl]);
  await gateway.stop();
  const port = new URL(fileUrl).port;
  // Neither a tracker nor a catalog: every byte is its own.
  const nowhere = "http://127.0.0.1:1";
  gateway = swarm.run("gateway", ["gateway", "--port", port, "--tracker", nowhere, "--catalog", nowhere]);
  await gateway.url();
  await run("curl", ["-sS", "-o", swarm.path("after.iso"), fileUrl]);
  await expectSame(swarm.path("after.iso"), "big.iso");
});
