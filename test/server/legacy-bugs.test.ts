import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Client, createClient } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { parseTorrentText } from "#core/torrent/torrent-json.ts";
import { PeerService, TrackerService } from "#gen/tracker_pb.ts";
import { nodeHasher } from "../../server/base/node-hasher.ts";
import { openTransport } from "../../server/http/client/transports.ts";
import { served } from "../../server/http/handling/served-service.ts";
import { startServer } from "../../server/http/listening/server.ts";
import { startGet } from "../../server/peer/downloading/get.ts";
import { startServing } from "../../server/peer/serving/serving.ts";
import { startTracker } from "../../server/tracker/tracker.ts";
import { makeTorrent } from "../support/swarms/made-torrent.ts";
import { neverBusy } from "../support/swarms/never-busy.ts";
import { runningCatalog } from "./catalog/running-catalog.ts";

const run = promisify(execFile);

/** Ends with the test. */
function ending<T extends { close(options?: { graceMs: number }): unknown }>(thing: T): T {
  onTestFinished(async () => void (await thing.close({ graceMs: 0 })));
  return thing;
}

function client<T extends typeof PeerService | typeof TrackerService>(service: T, url: string) {
  return createClient(service, ending(openTransport(url, "grpc")).transport);
}

const portOf = (url: string) => Number(new URL(url).port);

/** Registers a peer of one file, and waits until the tracker has asked it and names it. */
async function enlist(calls: Client<typeof TrackerService>, port: number, file = one) {
  await calls.registerPeer({ peerAddress: `localhost:${port}`, fileInfo: [file] });
  const isNamed = async () => {
    const { pieces } = await calls.getFilePieces({ fileName: file.fileName }).catch(() => ({ pieces: {} }));
    return Object.values(pieces).some(({ addresses }) => addresses.includes(`127.0.0.1:${port}`));
  };
  await expect.poll(isNamed, { timeout: 30_000 }).toBe(true);
}

const one = { fileName: "one.txt", pieces: [{ number: 1, hash: "a" }] };
const two = { fileName: "two.txt", pieces: [{ number: 1, hash: "b" }] };

/** A seed peer that gives `bytes` for every piece of the torrent, registered with a tracker under its true hashes. */
async function swarmOf(pieces: readonly string[], fileName: string, bytes: (number: number) => Uint8Array) {
  const tracker = ending(await startTracker({ ...neverBusy, port: 0 }));
  const peer = ending(
    await startServer({
      port: 0,
      services: [
        served(PeerService, {
          hasPiece: () => ({ hasPiece: true }),
          downloadPiece: ({ pieceNumber }) => ({ data: bytes(pieceNumber) }),
        }),
      ],
    }),
  );
  await enlist(client(TrackerService, tracker.url), peer.port, {
    fileName,
    pieces: pieces.map((hash, at) => ({ number: at + 1, hash })),
  });
  return { tracker, peer };
}

describe("what the seed's tracker got wrong, over its own contract", () => {
  const registered = (port: number, fileName = "one.txt") => ({
    peerAddress: `localhost:${port}`,
    fileInfo: [{ fileName, total: 1, pieces: [{ number: 1, hash: "a" }] }],
  });
  async function tracker() {
    const options = { ...neverBusy, port: 0, hasPiece: async () => true };
    return client(TrackerService, ending(await startTracker(options)).url);
  }

  it("state keyed by piece number only: piece 1 of two files is two things", async () => {
    const calls = await tracker();
    await enlist(calls, 7001);
    await enlist(calls, 7002, two);
    const one = await calls.getFilePieces({ fileName: "one.txt" });
    expect(one.pieces[1]?.addresses).toEqual(["127.0.0.1:7001"]);
    expect((await calls.getFilePieces({ fileName: "two.txt" })).pieces[1]?.addresses).toEqual([
      "127.0.0.1:7002",
    ]);
  });

  it("double registration counts twice: every address stays named once, and first as often as any other", async () => {
    const calls = await tracker();
    for (const port of [7001, 7001, 7001, 7002]) await enlist(calls, port);
    const first = new Map<string, number>();
    for (let n = 0; n < 20; n++) {
      const { addresses = [] } = (await calls.getFilePieces({ fileName: "one.txt" })).pieces[1] ?? {};
      expect(addresses).toHaveLength(2);
      first.set(addresses[0]!, (first.get(addresses[0]!) ?? 0) + 1);
    }
    expect([...first.values()]).toEqual([10, 10]);
  });

  it("deregistering crashes after it has changed state: it answers, and a second one answers too", async () => {
    const calls = await tracker();
    for (const port of [7001, 7002]) await enlist(calls, port);
    expect((await calls.deregisterPeer(registered(7001))).success).toBe(true);
    expect((await calls.deregisterPeer(registered(7001))).success).toBe(false);
    expect((await calls.deregisterPeer(registered(7003, "never.txt"))).success).toBe(false);
    const { pieces } = await calls.getFilePieces({ fileName: "one.txt" });
    expect(pieces[1]?.addresses).toEqual(["127.0.0.1:7002"]);
  });

  it("the round-robin index is never clamped: after each that leaves, every piece is answered", async () => {
    const calls = await tracker();
    const ports = [7001, 7002, 7003, 7004];
    for (const port of ports) await enlist(calls, port);
    while (ports.length > 1) {
      for (let n = 0; n < 3; n++) await calls.getFilePieces({ fileName: "one.txt" });
      await calls.deregisterPeer(registered(ports.pop()!));
      const { pieces } = await calls.getFilePieces({ fileName: "one.txt" });
      expect(pieces[1]?.addresses).toHaveLength(ports.length);
    }
  });
});

describe("what the seed's peers and web server got wrong", () => {
  it("DownloadPiece is declared and never implemented: a peer gives the bytes whose hash the torrent has", async () => {
    const made = await makeTorrent({ length: 20_000, fileName: "shakira.mp3" });
    const store = new MemoryPieceStore(made.geometry);
    for (const n of [0, 1]) {
      store.write(made.at(n), 0, made.bytes(n));
      store.commit(made.at(n));
    }
    const serving = await startServing({ port: 0 });
    ending(serving.server);
    serving.torrents.add(made.torrent, store);
    const calls = client(PeerService, serving.server.url);
    for (const [at, hash] of made.torrent.pieces.entries()) {
      const { data } = await calls.downloadPiece({ fileName: "shakira.mp3", pieceNumber: at + 1 });
      expect(createHash("sha256").update(data).digest("hex")).toBe(hash);
    }
  });

  it("hashes never checked: placeholders are no torrent, and wrong bytes under a true hash are no piece", async () => {
    const sample = { file_name: "f", total_pieces: 1, pieces: [{ number: 1, hash: "abcd1234" }] };
    const parsing = parseTorrentText(JSON.stringify(sample), nodeHasher);
    await expect(parsing).rejects.toMatchObject({ code: "invalid_argument", field: "pieces[0].hash" });

    const { torrent, bytes } = await makeTorrent({ length: 40_000 });
    const rotten = (number: number) => bytes(number - 1).map((byte, at) => (at === 9 ? byte ^ 1 : byte));
    const { tracker, peer } = await swarmOf(torrent.pieces, torrent.fileName, rotten);
    const folder = await mkdtemp(join(tmpdir(), "pieza-seed-bugs-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const target = join(folder, "file.bin");
    const get = await startGet({ torrent, target, trackers: [tracker.url], giveUpAfterMs: 500 });
    try {
      await expect(get.done).rejects.toThrow("gave up waiting");
      const [only, ...others] = get.download.peek().peers;
      expect(others).toEqual([]);
      expect(only).toMatchObject({ transport: "seed", state: "banned", servedPieces: 0 });
      expect(portOf(only!.url)).toBe(peer.port);
      await expect(readFile(target)).rejects.toMatchObject({ code: "ENOENT" });
    } finally {
      await get.stop();
    }
  });

  it("the web server in debug mode: no console, and a failure tells nothing of the inside", async () => {
    const { url, directory } = await runningCatalog();
    const ask = async (path: string) => {
      const { stdout } = await run("curl", [
        "-sS",
        "-i",
        "--path-as-is",
        "--max-time",
        "10",
        `${url}${path}`,
      ]);
      return stdout;
    };
    for (const path of ["/console", "/?__debugger__=yes&cmd=resource&f=debugger.js", "/files/%00.json"]) {
      const answer = await ask(path);
      expect(answer).not.toMatch(/debugger|traceback|console|werkzeug/i);
      expect(answer).not.toContain(directory);
    }
    expect(await ask("/console")).toMatch(/^HTTP\/1.1 404/);
    // A directory that is gone under the server is a failure that nobody asked for.
    await rm(directory, { recursive: true });
    const failed = await ask("/files/any.json");
    expect(failed).toMatch(/^HTTP\/1.1 (404|500|503)/);
    expect(failed).not.toMatch(/ENOENT|\bat \/|node:|\.ts/);
    expect(failed).not.toContain(directory);
    await mkdir(directory);
  });
});
