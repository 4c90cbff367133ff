import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { torrentText } from "#core/torrent/torrent-json.ts";
import { type PeerOptions, type RunningPeer, startPeer } from "../../../../server/peer/peer.ts";
import { startTracker } from "../../../../server/tracker/tracker.ts";
import { pieza } from "../../../support/processes/pieza.ts";
import { PiezaProcess } from "../../../support/processes/pieza-process.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const PIECE = 64 << 10;
const PIECES = 80;

const ends: (() => unknown)[] = [];
let folder: string;
let trackerUrl: string;
let made: MadeTorrent;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-explain-"));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const tracker = await startTracker({ port: 0 });
  ends.push(() => tracker.close());
  trackerUrl = tracker.url;
  made = await makeTorrent({ length: PIECES * PIECE, pieceLength: PIECE });
  await writeFile(join(folder, "it.json"), torrentText(made.torrent));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A peer with every piece, or with something else under each piece's name. */
async function peer(options: Partial<PeerOptions> = {}, change = (piece: Uint8Array) => piece) {
  const store = new MemoryPieceStore(made.geometry);
  for (let n = 0; n < PIECES; n++) {
    store.write(made.at(n), 0, change(made.bytes(n)));
    store.commit(made.at(n));
  }
  const listed = Promise.withResolvers<void>();
  const running = await startPeer({
    port: 0,
    trackers: [trackerUrl],
    dataDir: folder,
    onStatus: (_, status) => void (status.listed && listed.resolve()),
    ...options,
  });
  ends.push(() => running.close());
  running.add(made.torrent, store);
  await listed.promise;
  return running;
}

const servedBy = (running: RunningPeer) => running.served().get(made.torrent.infoHash)?.size ?? 0;
const run = (...args: string[]) => pieza([...args, "--data", join(folder, "data")], { cwd: folder });

function get(...args: string[]): PiezaProcess {
  const flags = ["--tracker", trackerUrl, "--data", join(folder, "data"), "--json"];
  const running = new PiezaProcess(["get", "it.json", "-o", "it.bin", ...flags, ...args], { cwd: folder });
  ends.push(() => running.stop());
  return running;
}

describe("explain", () => {
  it("names a slow, a lying, a dying and a good peer, each with its true reason, while it runs and after", async () => {
    const slow = await peer({ limitBytesPerSecond: 2 * PIECE });
    const liar = await peer({}, (piece) => piece.map((byte) => byte ^ 1));
    const dying = await peer({ limitBytesPerSecond: 10 * PIECE });
    const running = get();
    await vi.waitFor(() => expect(servedBy(dying)).toBeGreaterThanOrEqual(5), { timeout: 30_000 });
    await dying.close();
    await vi.waitFor(
      async () => {
        const [head, ...rest] = (await run("explain", "it.bin", "--json")).events;
        expect(head).toMatchObject({ event: "explained", state: "downloading" });
        expect(rest.filter(({ event }) => event === "peer")).toHaveLength(3);
      },
      { timeout: 30_000 },
    );
    const good = await peer({ limitBytesPerSecond: 20 * PIECE });
    expect(await running.finished(60_000)).toBe(0);

    const { events } = await run("explain", "it.bin", "--json");
    const byUrl = new Map(events.filter(({ event }) => event === "peer").map((line) => [line.url, line]));
    expect(byUrl.get(slow.url)).toMatchObject({ verdict: "slow", transport: "connect" });
    // It says itself that what it waited for was its limit, not the network.
    const slowAccount = byUrl.get(slow.url) as { limit_ms: number; first_byte_ms: number };
    expect(slowAccount.limit_ms).toBeGreaterThan(slowAccount.first_byte_ms / 2);
    expect(byUrl.get(liar.url)).toMatchObject({ verdict: "lied", state: "banned", served_pieces: 0 });
    expect(byUrl.get(liar.url)!.reason).toMatch(/^piece \d+ has the wrong hash$/);
    expect(byUrl.get(dying.url)).toMatchObject({ verdict: "failed" });
    expect(JSON.stringify(byUrl.get(dying.url)!.notes)).toMatch(
      /backing off: asked .*(refused|closed|reset)/i,
    );
    expect(byUrl.get(good.url)).toMatchObject({ verdict: "good", failures: 0, notes: [] });
    const pieces = events.filter(({ event }) => event === "piece");
    expect(pieces).toHaveLength(PIECES);
    for (const piece of pieces) {
      expect(byUrl.has(piece.from)).toBe(true);
      expect(Object.keys(piece.others as object).length).toBeGreaterThanOrEqual(2);
    }

    const { code, stdout } = await run("explain", "it.json");
    expect(code).toBe(0);
    expect(stdout).toContain(`${slow.url} much slower than the others`);
    expect(stdout).toMatch(/ms to the first byte, the peer reports \d+ ms held back by its own limits/);
    expect(stdout).toContain(`${liar.url} sent a wrong piece: banned`);
    expect(stdout).toContain(`${dying.url} failed`);
    expect(stdout).toMatch(/good|served well/);
    expect(stdout).toMatch(/receiving pieces +[\d.]+ s/);
  });

  it("says why nothing came, and of a download that was killed that it was", async () => {
    const running = get();
    await running.line("waiting", ({ event, state }) => event === "progress" && state === "waiting");
    await vi.waitFor(
      async () => {
        const { events } = await run("status", "--json");
        expect(events).toMatchObject([{ event: "download", state: "waiting", held_pieces: 0 }]);
      },
      { timeout: 30_000 },
    );
    running.kill("SIGKILL");
    await running.exit;
    expect((await run("status")).stdout).toMatch(/^interrupted +0 %/m);
    const { stdout } = await run("explain", made.torrent.infoHash.slice(0, 8));
    expect(stdout).toMatch(/waiting for peers/);
    expect(stdout).toContain("No tracker named a peer.");
  });

  it("ends with 3 when it knows of no such download", async () => {
    const { code, stderr } = await run("explain", "it.json");
    expect(stderr).toContain("no record of a download of it.json");
    expect(code).toBe(3);
    expect((await run("status")).stderr).toContain("There is no record of a download");
  });
});

describe("rate limits of get and peer", () => {
  it("let a download finish, and explain says that its own held it back", async () => {
    await peer({ limitBytesPerSecond: 40 * PIECE });
    const ways = { "--limit-download": `${20 * PIECE}`, "--limit-upload": "1MiB" };
    const running = get(...Object.entries(ways).flat());
    expect(await running.finished(60_000)).toBe(0);
    expect((await run("explain", "it.json")).stdout).toMatch(/held back by --limit-download/);
  });
});
