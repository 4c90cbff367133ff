/**
 * What a tracker's memory and an announce cost per peer, with 10,000 peers and with a million: the real tracker, without
 * its HTTP and over HTTP/1.1, each peer in one of many swarms of fifty with half of 2,048 pieces, on a clock that is moved
 * by hand, as fast as so many peers announce. A process for each number of peers; what is timed is timed in them by turns,
 * because a machine is not as fast from one minute to the next.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { Bitfield } from "#core/base/bitfield.ts";
import { AnnounceRequestSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { shapeTrackerHeap } from "../../server/cli/servers/tracker-heap.ts";
import type { DirectMethod } from "../../server/http/direct/direct.ts";
import { startServer } from "../../server/http/listening/server.ts";
import { BEING_CHECKED } from "../../server/tracker/announce/listings.ts";
import { hashSecret } from "../../server/tracker/store/lease-secret.ts";
import { defaultTrackerLimits } from "../../server/tracker/store/limits.ts";
import type { SwarmStore } from "../../server/tracker/store/swarm-store.ts";
import { composeTracker } from "../../server/tracker/tracker.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { trustAllowedNetworks } from "../support/swarms/trust-allowed-networks.ts";
import { machineLines } from "./support/machine.ts";
import { barCells, spread, table } from "./support/table.ts";
import { sendEach } from "./tracker/load.ts";
import { ANNOUNCE } from "./tracker/swarms.ts";

const FEW = 10_000;
const MANY = 1_000_000;
const PIECES = 2_048;
const SWARM_PEERS = 50;
/** Parts in which the million join; in between, as often, a process of its own takes the ten thousand. */
const JOINS = 10;
/** What is measured of so many heartbeats is measured so often, each time of other peers from all over the leases. */
const HEARTBEATS = 20_000;
const REPEATS = 21;
/** So often over HTTP. */
const HTTP_REPEATS = 15;
/** Heartbeats between two moves of the clock. */
const BATCH = 1_000;
/** Peers that join a second torrent, by which the memory of a torrent is told from that of a lease. */
const JOIN_AGAIN = 10_000;
const ID_BYTES = 16;
const RECHECK_SECONDS = 300;

/** Of a lease, and of what a peer says of one torrent with the bitfield. */
interface Memory {
  readonly leaseBytes: number;
  readonly memberBytes: number;
  readonly rssBytes: number;
}

/** What a process is asked for, in this order, the middle one often. Times are of the processor, in µs a peer. */
type Step = { join: number } | "heartbeats" | "requests" | "memory" | "url" | "cpu";

interface Measured extends Memory {
  readonly peers: number;
  readonly joinMicros: readonly number[];
  readonly heartbeatMicros: readonly number[];
  readonly httpMicros: readonly number[];
}

async function compare(): Promise<void> {
  for (const line of machineLines("/tmp")) console.log(line);
  const joins: [number[], number[]] = [[], []];
  const many = new Tracker(MANY);
  let few: Tracker | undefined;
  for (let part = 0; part < JOINS; part++) {
    await few?.end();
    few = new Tracker(FEW);
    joins[0].push(await few.ask({ join: FEW }));
    joins[1].push(await many.ask({ join: MANY / JOINS }));
  }
  const trackers = [few!, many];
  const beats: [number[], number[]] = [[], []];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    for (const [at, tracker] of trackers.entries()) beats[at]!.push(await tracker.ask("heartbeats"));
  }
  const memories = [await few!.ask<Memory>("memory"), await many.ask<Memory>("memory")];
  const calls: [number[], number[]] = [[], []];
  for (let repeat = 0; repeat < HTTP_REPEATS; repeat++) {
    for (const [at, tracker] of trackers.entries()) calls[at]!.push(await httpMicrosOf(tracker));
  }
  const measured: Measured[] = [];
  for (const [at, tracker] of trackers.entries()) {
    const times = { joinMicros: joins[at]!, heartbeatMicros: beats[at]!, httpMicros: calls[at]! };
    measured.push({ peers: tracker.peers, ...memories[at]!, ...times });
    await tracker.end();
  }
  report(measured as [Measured, Measured]);
}

/** What a heartbeat over HTTP/1.1 takes of the tracker's process. */
async function httpMicrosOf(tracker: Tracker): Promise<number> {
  const url = await tracker.ask<string>("url");
  const requests = await tracker.ask<Uint8Array[]>("requests");
  const head = `POST ${ANNOUNCE} HTTP/1.1\r\nhost: ${new URL(url).host}\r\ncontent-type: application/proto\r\n`;
  const posts = requests.map((body) =>
    Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`), body]),
  );
  const before = await tracker.ask("cpu");
  await sendEach(url, posts);
  return ((await tracker.ask("cpu")) - before) / posts.length;
}

function report([few, many]: [Measured, Measured]): void {
  const cells = [few, many].map(
    ({ peers, leaseBytes, memberBytes, rssBytes, joinMicros, heartbeatMicros, httpMicros }) => [
      String(peers),
      leaseBytes.toFixed(0),
      (memberBytes - PIECES / 8).toFixed(0),
      (rssBytes / 2 ** 20).toFixed(0),
      spread(joinMicros, 1),
      spread(heartbeatMicros, 1),
      spread(httpMicros, 1),
    ],
  );
  const columns = [
    "bytes a lease",
    "bytes a torrent over the bitfield",
    "RSS MiB",
    "join µs",
    "heartbeat µs",
    "over HTTP µs",
  ];
  console.log(`\n${table(["peers", ...columns], cells)}\n`);
  const bytesOf = ({ leaseBytes, memberBytes }: Memory) => leaseBytes + memberBytes;
  const ratios = (a: readonly number[], b: readonly number[]) => a.map((value, at) => value / b[at]!);
  const bars: [string, readonly number[], number][] = [
    ["memory a peer, times that with 10,000", [bytesOf(many) / bytesOf(few)], 1.2],
    ["join, times that with 10,000", ratios(many.joinMicros, few.joinMicros), 1.2],
    ["heartbeat, times that with 10,000", ratios(many.heartbeatMicros, few.heartbeatMicros), 1.2],
    ["heartbeat over HTTP, times that with 10,000", ratios(many.httpMicros, few.httpMicros), 1.2],
    ["bytes a peer and torrent over the bitfield", [few.memberBytes - PIECES / 8], 1_024],
  ];
  const verdicts = bars.map(([what, values, value]) => [
    what,
    ...barCells(values, 2, { sign: "<=", value, unit: "" }),
  ]);
  console.log(table(["bar", "measured", "at most", ""], verdicts));
}

/** A tracker in a process of its own. */
class Tracker {
  readonly peers: number;
  readonly #child: ChildProcess;

  constructor(peers: number) {
    this.peers = peers;
    const execArgv = ["--expose-gc", "--max-old-space-size=12288"];
    this.#child = fork(import.meta.filename, [String(peers)], { execArgv, serialization: "advanced" });
  }

  async ask<T = number>(step: Step): Promise<T> {
    this.#child.send(step);
    const [answer] = await once(this.#child, "message");
    return answer;
  }

  async end(): Promise<void> {
    this.#child.disconnect();
    await once(this.#child, "exit");
  }
}

/** Answers its parent until that lets go. Its heap is that of a `pieza tracker`. */
function serve(peers: number): void {
  shapeTrackerHeap();
  const most = 2 * peers;
  const trackerLimits = { maxLeases: most, maxSwarms: most, maxStateBytes: Number.MAX_SAFE_INTEGER };
  const clock = new FakeClock();
  const tracker = composeTracker({
    ...{ port: 0, clock, trackerLimits, loopDelayMs: () => 0 },
    reachability: trustAllowedNetworks,
  });
  const { store } = tracker;
  /** Time goes by as it does while so many heartbeats come in. */
  const pass = (heartbeats: number) => clock.tick((heartbeats * defaultTrackerLimits.heartbeatMs) / peers);
  // Of the peers themselves, which are not the tracker's memory; each's id is its secret too.
  const ids = randomFillSync(Buffer.alloc(peers * ID_BYTES));
  const idOf = (n: number) => ids.toString("hex", n * ID_BYTES, (n + 1) * ID_BYTES);
  const half = Bitfield.of(PIECES, Array(PIECES / 2).keys());
  const join = (n: number, swarm: number) =>
    store.join(idOf(n), { ...membership(swarm), bitfield: half.clone() }, false);

  const before = used();
  let joined = 0;
  const joinMore = async (count: number) => {
    let micros = 0;
    for (const end = joined + count; joined < end; ) {
      micros += await cpuMicrosOf(async () => {
        for (const last = joined + BATCH; joined < last; joined++) {
          await open(store, idOf(joined), joined);
          await join(joined, swarmOf(joined));
        }
        // Twice as slow as they come later: leases end one after the other while heartbeats are measured.
        await pass(2 * BATCH);
      });
    }
    return micros / count;
  };

  const [trackerServed, ...others] = tracker.services;
  const caller = { address: "127.0.0.1", token: undefined };
  const announce = trackerServed!.direct.announce!;
  /** Returns the CPU that these peers' heartbeats took, in µs, from their bytes to those of the answers. */
  const beat = async (numbers: readonly number[]) => {
    const requests = numbers.map((n) => heartbeat(idOf(n), n));
    return cpuMicrosOf(async () => {
      for (const request of requests) await announce.answer(announce.read(request), caller, () => {});
      await pass(numbers.length);
    });
  };
  const batch = (at: number, step: number) =>
    Array.from({ length: BATCH }, (_, n) => ((at + n) * step) % peers);
  let peerBytes = 0;
  let rssBytes = 0;
  /** Everybody once: only then are they as they stay. */
  const settle = async () => {
    for (let at = 0; at < peers; at += BATCH) await beat(batch(at, 1));
    peerBytes = (used() - before) / peers;
    rssBytes = process.memoryUsage.rss();
  };
  let at = 0;
  const heartbeats = async () => {
    if (at === 0) await settle();
    let micros = 0;
    for (let n = 0; n < HEARTBEATS; n += BATCH, at += BATCH) micros += await beat(batch(at, 7_919));
    return micros / HEARTBEATS;
  };
  const requests = () => {
    const numbers = Array.from({ length: HEARTBEATS }, (_, n) => ((at + n) * 7_919) % peers);
    at += HEARTBEATS;
    return numbers.map((n) => heartbeat(idOf(n), n));
  };
  let called = 0;
  const counted: DirectMethod = {
    read: (message) => announce.read(message),
    answer(...call) {
      if (++called % BATCH === 0) void pass(BATCH);
      return announce.answer(...call);
    },
  };
  const server = startServer({
    ...{ port: 0, rateLimit: false },
    services: [{ ...trackerServed!, direct: { ...trackerServed!.direct, announce: counted } }, ...others],
  });
  const memory = async (): Promise<Memory> => {
    const opened = used();
    for (let n = 0; n < JOIN_AGAIN; n++) await join(n, peers + swarmOf(n));
    const memberBytes = (used() - opened) / JOIN_AGAIN;
    return { leaseBytes: peerBytes - memberBytes, memberBytes, rssBytes };
  };

  const steps: Record<string, () => unknown> = {
    ...{ heartbeats, requests, memory },
    cpu: cpuMicros,
    url: async () => (await server).url,
  };
  process.on("message", async (step: Step) => {
    process.send!(await (typeof step === "string" ? steps[step]!() : joinMore(step.join)));
  });
  process.on("disconnect", async () => {
    await (await server).close({ graceMs: 0 });
    await tracker.close();
  });
}

/** As the registrar does for a peer that was found where it says; some are to be looked for again soon, some in minutes. */
async function open(store: SwarmStore, id: string, n: number): Promise<void> {
  const host = flat(`10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`);
  await store.open({
    id,
    secretHash: hashSecret(id),
    address: flat(`${host}:50051`),
    url: flat(`http://${host}:50051`),
    source: host,
    identifyKey: new Uint8Array(32),
    ...BEING_CHECKED,
    draining: false,
  });
  const checkAtSeconds = Math.ceil((await store.orders.now()) / 1_000) + (n % RECHECK_SECONDS);
  await store.renew(id, { listed: true, notListedReason: "", checkAtSeconds });
}

/** In one piece of memory, as a text is that somebody has read: of the parts that it was made of. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}

function swarmOf(n: number): number {
  return Math.floor(n / SWARM_PEERS);
}

function membership(swarm: number) {
  const infoHash = swarm.toString(16).padStart(64, "0");
  return { infoHash, totalPieces: PIECES, fileName: "file.bin", revision: 1 };
}

/** As a peer of one torrent sends it. */
function heartbeat(id: string, n: number): Uint8Array {
  const torrents = [{ ...membership(swarmOf(n)), revision: 1n }];
  const message = { leaseId: id, leaseSecret: id, torrents };
  return toBinary(AnnounceRequestSchema, create(AnnounceRequestSchema, message));
}

async function cpuMicrosOf(work: () => Promise<void>): Promise<number> {
  const before = cpuMicros();
  await work();
  return cpuMicros() - before;
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Bytes of heap and buffers after a collection. */
function used(): number {
  (globalThis as { gc?: () => void }).gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

if (process.send) serve(Number(process.argv[2]));
else await compare();
