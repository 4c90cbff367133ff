import { mkdir, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { pieza, type Ran } from "../../../support/processes/pieza.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../../../support/swarms/local-swarm.ts";
import { startToldTracker, type Told } from "../../../support/swarms/told-tracker.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** What a server may name where a URL belongs, and nothing can be called at. */
const NO_ADDRESSES = [
  "http://",
  "http://127.0.0.1:99999",
  "http://127.0.0.1:0",
  "http://\u001b[31mred",
  "http://127.0.0.1:80/\u001b[2J",
  "http://me:secret@127.0.0.1:80",
  "file:///etc/passwd",
  "javascript:alert(1)",
  "",
];

let swarm: LocalSwarm;
let seeder: string;
const told: Told = { peers: [] };
let tracker: Awaited<ReturnType<typeof startToldTracker>>;
let runs = 0;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  await writeRandomFile(swarm.path("file.bin"), 300_000);
  await swarm.publish("file.bin", "--piece-length", "16KiB");
  seeder = await (await swarm.peer("seeder", "file.bin")).url();
  tracker = await startToldTracker(told);
});
afterAll(async () => {
  await tracker?.close();
  await swarm.stop();
});

async function get(torrent: string, ...flags: string[]): Promise<Ran & { path: string }> {
  const cwd = swarm.path(`run-${++runs}`);
  await mkdir(cwd);
  const args = ["get", torrent, "--data", join(cwd, "data"), "--give-up-after", "10s", ...flags];
  return { ...(await pieza(args, { cwd })), path: join(cwd, "file.bin") };
}

const isRight = async (path: string) =>
  expect(await sha256sum(path)).toBe(await sha256sum(swarm.path("file.bin")));

/** The torrent's JSON with other trackers, in a file of its own. */
async function torrentWith(trackers: readonly string[]): Promise<string> {
  const torrent = JSON.parse(await readFile(swarm.path("file.bin.json"), "utf8"));
  const path = swarm.path(`torrent-${++runs}.json`);
  await writeFile(path, JSON.stringify({ ...torrent, trackers }));
  return path;
}

describe("what is no address", () => {
  it.each(["auto", "connect", "grpc"])("as a peer is left out, and counted (%s)", async (transport) => {
    told.peers = [...NO_ADDRESSES, seeder];
    const ran = await get(swarm.path("file.bin.json"), "--tracker", tracker.url, "--transport", transport);
    expect(ran.code, ran.stderr).toBe(0);
    await isRight(ran.path);
    const explained = await pieza(["explain", ran.path, "--data", join(ran.path, "../data")]);
    expect(explained.stdout).toContain(
      `${NO_ADDRESSES.length} peers that the tracker named have no valid URL`,
    );
    expect(explained.stdout + ran.stdout + ran.stderr).not.toContain("\u001b");
  });

  it("as the only peers is what a download waits for", async () => {
    told.peers = NO_ADDRESSES;
    const args = ["--tracker", tracker.url, "--give-up-after", "2s"];
    const { code, stderr } = await get(swarm.path("file.bin.json"), ...args);
    expect(code, stderr).toBe(4);
    expect(stderr).toContain(`the ${NO_ADDRESSES.length} peers that the tracker names have no valid URL`);
  });

  it("as a tracker of the torrent is left out, and told", async () => {
    const torrent = await torrentWith([...NO_ADDRESSES, swarm.trackerUrl]);
    const { code, stderr, path } = await get(torrent);
    expect(code, stderr).toBe(0);
    await isRight(path);
    expect(stderr).toContain(
      `${NO_ADDRESSES.length} trackers of file.bin have no valid URL and are left out`,
    );
    expect(stderr).not.toContain("\u001b");
  });

  it("as a tracker of the catalog is left out, and told", async () => {
    const catalog = http.createServer((_, response) =>
      response.end(JSON.stringify({ trackers: [...NO_ADDRESSES, 7, swarm.trackerUrl] })),
    );
    await new Promise<void>((resolve) => catalog.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(catalog.address() as AddressInfo).port}`;
      const { code, stderr, path } = await get(swarm.path("file.bin.json"), "--catalog", url);
      expect(code, stderr).toBe(0);
      await isRight(path);
      expect(stderr).toContain(
        `${NO_ADDRESSES.length + 1} trackers of ${url} have no valid URL and are left out`,
      );
    } finally {
      catalog.close();
    }
  });
});
