/**
 * `node --expose-gc scripts/soak.ts [seconds]` (default 600) runs a tracker and peers in one process, starts
 * downloads, interrupts and resumes some of them, and restarts the peers. Fails if memory, open files, sockets or
 * timers grow. A short run is part of the tests.
 */
import { randomFillSync } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Torrent } from "#core/torrent/torrent.ts";
import { startGet } from "../server/peer/downloading/get.ts";
import { SharedPeer } from "../server/peer/downloading/shared-peer.ts";
import { type RunningPeer, startPeer } from "../server/peer/peer.ts";
import { type InPlaceStore, openInPlaceStore } from "../server/peer/stores/in-place-store.ts";
import { createTorrentFromPath } from "../server/peer/stores/source.ts";
import { type RunningTracker, startTracker } from "../server/tracker/tracker.ts";
import { isMain } from "./run-command.ts";

const MiB = 1 << 20;
const FILE_BYTES = 16 * MiB;
const PEERS = 3;
/** Downloads at the same time. */
const LANES = 3;
/** The allowed growth of the heap, measured after a garbage collection. */
const MOST_GROWTH = 0.05;
/** A short run ends before objects that live for a minute are freed; a long run waits for that twice. */
const GROWTH_SLACK_BYTES = 8 * MiB;
const LONG_SECONDS = 300;
const SETTLE_MS = 75_000;
/** The allowed growth of buffers: each peer keeps up to this many bytes of piece buffers for reuse. */
const BUFFER_SLACK_BYTES = 16 * MiB;
/** Sockets that were closed a moment ago still count as open. */
const FILES_SLACK = 2;

/** The resources of the process at one moment. */
interface Held {
  readonly heapBytes: number;
  readonly bufferBytes: number;
  readonly rssBytes: number;
  readonly files: number;
  readonly timers: number;
}

export interface SoakResult {
  readonly downloads: number;
  readonly interrupted: number;
  readonly restarts: number;
  readonly first: Held;
  readonly last: Held;
  /** A sentence for each resource that grew; empty on success. */
  readonly problems: readonly string[];
}

class Soak {
  readonly #folder: string;
  readonly #torrent: Torrent;
  readonly #tracker: RunningTracker;
  readonly #peers: { peer: RunningPeer; seed: InPlaceStore }[] = [];
  downloads = 0;
  interrupted = 0;
  restarts = 0;
  #names = 0;

  private constructor(folder: string, torrent: Torrent, tracker: RunningTracker) {
    this.#folder = folder;
    this.#torrent = torrent;
    this.#tracker = tracker;
  }

  static async start(): Promise<Soak> {
    const folder = await mkdtemp(join(tmpdir(), "pieza-soak-"));
    await writeFile(join(folder, "file.bin"), randomFillSync(Buffer.alloc(FILE_BYTES)));
    const torrent = await createTorrentFromPath(join(folder, "file.bin"), { pieceLength: MiB / 4 });
    const tracker = await startTracker({ port: 0, rateLimit: false });
    const soak = new Soak(folder, torrent, tracker);
    for (let n = 0; n < PEERS; n++) soak.#peers.push(await soak.#startPeer());
    return soak;
  }

  /** Downloads, and restarts peers, until `performance.now()` reaches `untilMs`. */
  async churn(untilMs: number): Promise<void> {
    const lane = async () => {
      while (performance.now() < untilMs) await this.#download();
    };
    const restarting = async () => {
      for (let n = 0; performance.now() < untilMs; n = (n + 1) % PEERS) {
        await setTimeout(1_000);
        await closePeer(this.#peers[n]!);
        this.#peers[n] = await this.#startPeer();
        this.restarts++;
      }
    };
    await Promise.all([restarting(), ...Array.from({ length: LANES }, lane)]);
  }

  async stop(): Promise<void> {
    for (const peer of this.#peers) await closePeer(peer);
    await this.#tracker.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #startPeer(): Promise<{ peer: RunningPeer; seed: InPlaceStore }> {
    const peer = await startPeer({
      port: 0,
      trackers: [this.#tracker.url],
      dataDir: this.#folder,
      rateLimit: false,
    });
    const path = join(this.#folder, "file.bin");
    const seed = await openInPlaceStore({ torrent: this.#torrent, path });
    peer.add(this.#torrent, seed);
    return { peer, seed };
  }

  /** One download to a new path; every third is interrupted and resumed. */
  async #download(): Promise<void> {
    const target = join(this.#folder, `got-${this.#names++}.bin`);
    const trackers = [this.#tracker.url];
    const options = { torrent: this.#torrent, target, trackers };
    if (this.#names % 3 === 0) {
      const serve = this.#sharedPeer();
      const cut = await startGet({ ...options, serve });
      cut.done.catch(() => {});
      await setTimeout(50);
      await cut.stop();
      await serve.close();
      this.interrupted++;
    }
    const serve = this.#sharedPeer();
    const get = await startGet({ ...options, serve });
    await get.done;
    await get.stop();
    await serve.close();
    await rm(target);
    this.downloads++;
  }

  #sharedPeer(): SharedPeer {
    return new SharedPeer({
      port: 0,
      trackers: [this.#tracker.url],
      dataDir: this.#folder,
      rateLimit: false,
    });
  }
}

async function closePeer({ peer, seed }: { peer: RunningPeer; seed: InPlaceStore }): Promise<void> {
  await peer.close();
  seed.close();
}

async function held(settleMs: number): Promise<Held> {
  await setTimeout(settleMs);
  // Released objects need a turn of the event loop, and a second collection for those that finalizers release.
  for (let turn = 0; turn < 3; turn++) {
    await setTimeout(200);
    globalThis.gc?.();
  }
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  const timers = process.getActiveResourcesInfo().filter((what) => what === "Timeout").length;
  const files = (await readdir("/proc/self/fd")).length;
  return { heapBytes: heapUsed, bufferBytes: arrayBuffers, rssBytes: rss, files, timers };
}

function growth(first: Held, last: Held, slackBytes: number): string[] {
  const most: Omit<Held, "rssBytes"> = {
    heapBytes: first.heapBytes * (1 + MOST_GROWTH) + slackBytes,
    bufferBytes: first.bufferBytes + BUFFER_SLACK_BYTES,
    files: first.files + FILES_SLACK,
    timers: first.timers + FILES_SLACK,
  };
  return Object.entries(most).flatMap(([what, limit]) => {
    const key = what as keyof typeof most;
    return last[key] > limit ? [`${what} grew from ${first[key]} to ${last[key]}`] : [];
  });
}

/** Runs for `seconds`. The first fifth is warm-up; the resources after it are compared with those at the end. */
export async function runSoak(seconds: number): Promise<SoakResult> {
  const startMs = performance.now();
  const long = seconds >= LONG_SECONDS;
  const settleMs = long ? SETTLE_MS : 0;
  const soak = await Soak.start();
  try {
    await soak.churn(startMs + seconds * 200);
    const first = await held(settleMs);
    await soak.churn(startMs + seconds * 1_000);
    const last = await held(settleMs);
    const { downloads, interrupted, restarts } = soak;
    return {
      downloads,
      interrupted,
      restarts,
      first,
      last,
      problems: growth(first, last, long ? 0 : GROWTH_SLACK_BYTES),
    };
  } finally {
    await soak.stop();
  }
}

if (isMain(import.meta.filename)) {
  const result = await runSoak(Number(process.argv[2] ?? 600));
  console.log(JSON.stringify(result));
  process.exitCode = result.problems.length === 0 ? 0 : 1;
}
