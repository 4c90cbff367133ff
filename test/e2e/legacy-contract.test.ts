import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../../scripts/run-command.ts";
import { within } from "../support/deadline.ts";
import {
  LocalSwarm,
  readTorrentJson,
  sent,
  sha256sum,
  writeRandomFile,
} from "../support/swarms/local-swarm.ts";

const run = promisify(execFile);
const python = "/usr/bin/python3";
const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
const pieceLength = 64 << 10;
const program = (name: string) => join(root, "test/python", `${name}.py`);

interface PeerLine {
  readonly url: string;
  readonly state: string;
}

let swarm: LocalSwarm;
let descriptors: string;
const programs: SeedProgram[] = [];

/** A Python peer, by what it prints. */
class SeedProgram {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #address = Promise.withResolvers<string>();

  constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on("line", (line) => {
      this.lines.push(line);
      if (line.startsWith("serving ")) this.#address.resolve(`127.0.0.1:${line.slice(8)}`);
    });
    child.once("close", (code) => this.#address.reject(new Error(`seed_peer.py ended with ${code}`)));
    this.#address.promise.catch(() => {});
  }

  /** Pieces that it was asked for. */
  get asked(): number[] {
    return this.lines.flatMap((line) => (line.startsWith("asked for ") ? [Number(line.slice(10))] : []));
  }

  /** Host and port, once it serves. */
  serving(): Promise<string> {
    return within(30_000, "the Python peer serves", this.#address.promise);
  }

  /** Its standard input ends: it deregisters and ends. */
  async leave(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "close", { signal: AbortSignal.timeout(30_000) });
    this.#child.stdin!.end();
    await gone;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

async function startSeedPeer(name: string, mode = "honest"): Promise<SeedProgram> {
  const tracker = new URL(swarm.trackerUrl).host;
  const files = [swarm.path(`${name}.json`), swarm.path(name)];
  const args = [program("seed_peer"), descriptors, tracker, ...files, String(pieceLength), mode];
  const peer = new SeedProgram(spawn(python, args, { env, stdio: ["pipe", "pipe", "inherit"] }));
  programs.push(peer);
  await peer.serving();
  return peer;
}

/** Writes a file and its torrent, in the seed's form: names, numbers and hashes, no lengths. */
async function makeSeedTorrent(name: string, pieces: number): Promise<string> {
  await writeRandomFile(swarm.path(name), pieceLength * (pieces - 1) + 1_234);
  const made = swarm.path(`made-${name}.json`);
  await swarm.done("publisher", ["create", swarm.path(name), "-o", made, "--piece-length", "64KiB"]);
  const { file_name, total_pieces, pieces: hashes } = await readTorrentJson(made);
  const path = swarm.path(`${name}.json`);
  await writeFile(path, JSON.stringify({ file_name, total_pieces, pieces: hashes }));
  return path;
}

const getFilePieces = (fileName: string, version: string) =>
  run("curl", [
    "-sS",
    "--max-time",
    "10",
    version,
    ...["-H", "content-type: application/json", "-d", JSON.stringify({ file_name: fileName })],
    `${swarm.trackerUrl}/tracker.TrackerService/GetFilePieces`,
  ]).then(({ stdout }) => JSON.parse(stdout));

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  descriptors = swarm.path("pieza.binpb");
  await run("buf", ["build", "-o", descriptors], { cwd: root });
});
afterAll(async () => {
  for (const peer of programs) peer.kill();
  await swarm?.stop();
});

describe("pieza get, from peers written in Python against the seed's contract", () => {
  it("downloads a torrent of the seed's form from one of them alone, which then leaves", async () => {
    const torrent = await makeSeedTorrent("alone.bin", 12);
    const peer = await startSeedPeer("alone.bin");
    const out = swarm.path("alone.out");
    await swarm.done("alone", ["get", torrent, "-o", out, "--give-up-after", "30s", ...swarm.trackerFlag]);
    expect(await sha256sum(out)).toBe(await sha256sum(swarm.path("alone.bin")));
    await peer.leave();
    expect(peer.asked.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, at) => at + 1));
    expect(peer.lines.at(-1)).toBe("deregistered True");
    expect(await getFilePieces("alone.bin", "--http1.1")).toMatchObject({ code: "not_found" });
  });

  it("is not harmed by one without DownloadPiece, and one with wrong bytes, beside an honest one", async () => {
    const torrent = await makeSeedTorrent("mixed.bin", 30);
    const silent = await startSeedPeer("mixed.bin", "silent");
    const rotten = await startSeedPeer("mixed.bin", "rotten");
    const honest = await startSeedPeer("mixed.bin");
    const out = swarm.path("mixed.out");
    const args = ["get", torrent, "-o", out, "--give-up-after", "30s", ...swarm.trackerFlag];
    const get = await swarm.done("mixed", args);
    expect(await sha256sum(out)).toBe(await sha256sum(swarm.path("mixed.bin")));
    const { peers } = get.lines.find(({ event }) => event === "done") as { peers: PeerLine[] };
    const states = new Map(peers.map(({ url, state }) => [url, state]));
    expect(states.get(`http://${await silent.serving()}`)).toBe("skipped");
    expect(states.get(`http://${await rotten.serving()}`)).toBe("banned");
    for (const peer of [silent, rotten, honest]) await peer.leave();
    // At most once or twice for the lengths, and then as many as were asked for before the first answer.
    expect(silent.asked.length).toBeLessThanOrEqual(18);
    expect(rotten.asked.length).toBeLessThanOrEqual(18);
    expect(new Set(honest.asked).size).toBe(30);
  });

  it("gives up on one without DownloadPiece when there is no other, after asking once", async () => {
    const torrent = await makeSeedTorrent("silent.bin", 3);
    const silent = await startSeedPeer("silent.bin", "silent");
    const args = ["get", torrent, "-o", swarm.path("silent.out"), "--give-up-after", "4s"];
    const get = swarm.run("silent", [...args, ...swarm.trackerFlag]);
    expect(await get.finished(60_000)).toBe(4);
    await silent.leave();
    expect(silent.asked).toEqual([1]);
    expect(get.text).toContain("Method not implemented!");
  });
});

describe("a client written in Python against the seed's contract", () => {
  it("gets a whole file from Pieza's peers, asking them in the order given", async () => {
    await writeRandomFile(swarm.path("film.bin"), pieceLength * 19 + 77);
    await swarm.publish("film.bin", "--piece-length", "64KiB");
    const peers = [await swarm.peer("a", "film.bin", "1-14"), await swarm.peer("b", "film.bin", "7-20")];
    const hosts = [swarm.catalogUrl, swarm.trackerUrl].map((url) => new URL(url).host);
    const { stdout } = await run(python, [program("seed_client"), descriptors, ...hosts, "film.bin"], {
      env,
      timeout: 120_000,
    });
    const lines = stdout.trim().split("\n");
    expect(lines.pop()).toBe(await sha256sum(swarm.path("film.bin")));
    const addresses = await Promise.all(peers.map(async (peer) => new URL(await peer.url()).host));
    const gave = new Map(lines.map((line) => line.split(" ") as [string, string]));
    expect(gave.get("1")).toBe(addresses[0]);
    expect(gave.get("20")).toBe(addresses[1]);
    // Pieces 7 to 14 have two holders, which take turns from piece to piece.
    const shared = Array.from({ length: 8 }, (_, at) => gave.get(String(7 + at)));
    for (let at = 1; at < shared.length; at++) expect(shared[at]).not.toBe(shared[at - 1]);
    const given = await Promise.all(peers.map(async (peer) => sent(peer).length));
    expect(given.reduce((sum, count) => sum + count)).toBe(20);
  });
});

describe("curl", () => {
  it.each(["--http1.1", "--http2-prior-knowledge"])("reads who has what in JSON with %s", async (version) => {
    const torrent = await makeSeedTorrent(`curl${version}.bin`, 3);
    const peer = await startSeedPeer(`curl${version}.bin`);
    const { file_name } = JSON.parse(await readFile(torrent, "utf8"));
    const addresses = [await peer.serving()];
    await expect
      .poll(() => getFilePieces(file_name, version), { timeout: 30_000 })
      .toEqual({ pieces: { 1: { addresses }, 2: { addresses }, 3: { addresses } } });
  });
});
