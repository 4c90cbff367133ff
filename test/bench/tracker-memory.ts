/**
 * What a tracker's memory and an announce cost per peer, with 10,000 peers and with a million: the real tracker without
 * its HTTP, each peer in one of many swarms of fifty with half of 2,048 pieces, on a clock that is moved by hand, as fast
 * as so many peers announce. A process for each number of peers.
 */
import { execFile } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { Bitfield } from "#core/bitfield.ts";
import { AnnounceRequestSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { hashSecret } from "../../server/tracker/lease-secret.ts";
import { defaultTrackerLimits } from "../../server/tracker/limits.ts";
import { trustAllowedNetworks } from "../../server/tracker/reachability.ts";
import type { SwarmStore } from "../../server/tracker/swarm-store.ts";
import { composeTracker } from "../../server/tracker/tracker.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { machineLines } from "./support/machine.ts";
import { barCells, median, spread, table } from "./support/table.ts";

const SIZES = [10_000, 1_000_000];
const PIECES = 2_048;
const SWARM_PEERS = 50;
/** What is measured of so many heartbeats is measured so often, each time of other peers from all over the leases. */
const HEARTBEATS = 20_000;
const REPEATS = 7;
/** Heartbeats between two moves of the clock. */
const BATCH = 1_000;
/** Peers that join a second torrent, by which the memory of a torrent is told from that of a lease. */
const JOIN_AGAIN = 10_000;
const ID_BYTES = 16;

interface Cost {
  readonly peers: number;
  /** Of a lease, and of what a peer says of one torrent with the bitfield. */
  readonly leaseBytes: number;
  readonly memberBytes: number;
  readonly rssBytes: number;
  readonly joinMicros: number;
  readonly heartbeatMicros: readonly number[];
}

if (process.argv[2]) console.log(JSON.stringify(await measure(Number(process.argv[2]))));
else await compare();

async function compare(): Promise<void> {
  for (const line of machineLines("/tmp")) console.log(line);
  const costs: Cost[] = [];
  for (const peers of SIZES) {
    const flags = ["--expose-gc", "--max-old-space-size=12288", import.meta.filename, String(peers)];
    const { stdout } = await promisify(execFile)(process.execPath, flags);
    costs.push(JSON.parse(stdout.trim().split("\n").at(-1)!));
  }
  const [few, many] = costs as [Cost, Cost];
  const cells = costs.map((cost) => [
    String(cost.peers),
    cost.leaseBytes.toFixed(0),
    (cost.memberBytes - PIECES / 8).toFixed(0),
    (cost.rssBytes / 2 ** 20).toFixed(0),
    cost.joinMicros.toFixed(1),
    spread([...cost.heartbeatMicros], 1),
  ]);
  const bytesOf = (cost: Cost) => cost.leaseBytes + cost.memberBytes;
  const beatOf = (cost: Cost) => median([...cost.heartbeatMicros]);
  const head = [
    "peers",
    "bytes a lease",
    "bytes a torrent over the bitfield",
    "RSS MiB",
    "join µs",
    "heartbeat µs",
  ];
  console.log(`\n${table(head, cells)}\n`);
  const bars: [string, number, number][] = [
    ["memory a peer, times that with 10,000", bytesOf(many) / bytesOf(few), 1.2],
    ["join, times that with 10,000", many.joinMicros / few.joinMicros, 1.2],
    ["heartbeat, times that with 10,000", beatOf(many) / beatOf(few), 1.2],
    ["bytes a peer and torrent over the bitfield", few.memberBytes - PIECES / 8, 1_024],
  ];
  const verdicts = bars.map(([what, value, bar]) => [
    what,
    ...barCells([value], 2, { sign: "<=", value: bar, unit: "" }),
  ]);
  console.log(table(["bar", "measured", "at most", ""], verdicts));
}

async function measure(peers: number): Promise<Cost> {
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
  let joinMicros = 0;
  for (let at = 0; at < peers; at += BATCH) {
    joinMicros += await cpuMicrosOf(async () => {
      for (let n = at; n < at + BATCH; n++) {
        await open(store, idOf(n), n);
        await join(n, swarmOf(n));
      }
      // Twice as slow as they come later: leases end one after the other while heartbeats are measured.
      await pass(2 * BATCH);
    });
  }

  const announce = tracker.direct["/pieza.v1.TrackerService/Announce"]!;
  /** Returns the CPU that these peers' heartbeats took, in µs, from their bytes to those of the answers. */
  const beat = async (numbers: readonly number[]) => {
    const requests = numbers.map((n) => heartbeat(idOf(n), n));
    return cpuMicrosOf(async () => {
      for (const request of requests) await announce(request, { address: "127.0.0.1" }, () => {});
      await pass(numbers.length);
    });
  };
  const batch = (at: number, step: number) =>
    Array.from({ length: BATCH }, (_, n) => ((at + n) * step) % peers);
  for (let at = 0; at < peers; at += BATCH) await beat(batch(at, 1));
  const peerBytes = (used() - before) / peers;
  const { rss } = process.memoryUsage();
  const heartbeatMicros: number[] = [];
  let at = 0;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    let micros = 0;
    for (let n = 0; n < HEARTBEATS; n += BATCH, at += BATCH) micros += await beat(batch(at, 7_919));
    heartbeatMicros.push(micros / HEARTBEATS);
  }
  const opened = used();
  for (let n = 0; n < JOIN_AGAIN; n++) await join(n, peers + swarmOf(n));
  const memberBytes = (used() - opened) / JOIN_AGAIN;
  await tracker.close();
  const costs = { joinMicros: joinMicros / peers, heartbeatMicros };
  return { peers, leaseBytes: peerBytes - memberBytes, memberBytes, rssBytes: rss, ...costs };
}

/** As the registrar does for a peer that it believes. */
async function open(store: SwarmStore, id: string, n: number): Promise<void> {
  const host = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
  await store.open({
    id,
    secretHash: hashSecret(id),
    address: `${host}:50051`,
    url: `http://${host}:50051`,
    source: host,
    identifyKey: new Uint8Array(32),
    listed: true,
    notListedReason: "",
    draining: false,
  });
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
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** Bytes of heap and buffers after a collection. */
function used(): number {
  (globalThis as { gc?: () => void }).gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
