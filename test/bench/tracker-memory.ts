/**
 * What a tracker's memory and an announce cost per peer, with 10,000 peers and with a million: the real tracker without
 * its HTTP, each peer in one of many swarms of fifty with half of 2,048 pieces, on a clock that is moved by hand. A process for
 * each number of peers.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { Bitfield } from "#core/bitfield.ts";
import { AnnounceRequestSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { hashSecret, randomId } from "../../server/tracker/lease-secret.ts";
import type { SwarmStore } from "../../server/tracker/swarm-store.ts";
import { composeTracker } from "../../server/tracker/tracker.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { machineLines } from "./support/machine.ts";
import { table } from "./support/table.ts";

const SIZES = [10_000, 1_000_000];
const PIECES = 2_048;
const SWARM_PEERS = 50;
const HEARTBEATS = 100_000;
/** Peers whose heartbeats those are, from all over the leases. */
const DIFFERENT = 10_000;

interface Cost {
  readonly peers: number;
  /** Of a lease, and of what a peer says of one torrent. */
  readonly leaseBytes: number;
  readonly memberBytes: number;
  readonly rssBytes: number;
  readonly joinMicros: number;
  readonly heartbeatMicros: number;
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
    cost.heartbeatMicros.toFixed(1),
  ]);
  const bytesOf = (cost: Cost) => cost.leaseBytes + cost.memberBytes;
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
    ["heartbeat, times that with 10,000", many.heartbeatMicros / few.heartbeatMicros, 1.2],
    ["bytes a peer and torrent over the bitfield", few.memberBytes - PIECES / 8, 1_024],
  ];
  const verdicts = bars.map(([what, value, bar]) => [
    what,
    value.toFixed(2),
    `<= ${bar}`,
    value <= bar ? "met" : "missed",
  ]);
  console.log(table(["bar", "measured", "at most", ""], verdicts));
}

async function measure(peers: number): Promise<Cost> {
  const limits = { maxLeases: peers, maxSwarms: peers, maxStateBytes: Number.MAX_SAFE_INTEGER };
  const clock = new FakeClock();
  const trackerLimits = { ...limits, leaseMs: 3_600_000 };
  const loopDelayMs = () => 0;
  const tracker = composeTracker({ port: 0, clock, trackerLimits, loopDelayMs });
  const { store } = tracker;
  const announce = tracker.direct["/pieza.v1.TrackerService/Announce"]!;
  // Of the peers themselves, which are not the tracker's memory: made before, and there until the end.
  const ids = Array.from({ length: peers }, () => randomId());
  const before = used();
  const joinBegan = cpuMicros();
  for (let n = 0; n < peers; n++) await open(store, ids[n]!, n);
  const opened = used();
  for (let n = 0; n < peers; n++) await join(store, ids[n]!, n);
  const joinMicros = (cpuMicros() - joinBegan) / peers;
  const leaseBytes = (opened - before) / peers;
  const memberBytes = (used() - opened) / peers;
  const beats = Array.from({ length: DIFFERENT }, (_, beat) => {
    const n = (beat * 7_919) % peers;
    return heartbeat(ids[n]!, n);
  });
  const beat = (n: number) => announce(beats[n % DIFFERENT]!, "127.0.0.1", () => {});
  for (let n = 0; n < HEARTBEATS; n++) await beat(n);
  const beatBegan = cpuMicros();
  for (let n = 0; n < HEARTBEATS; n++) await beat(n);
  const heartbeatMicros = (cpuMicros() - beatBegan) / HEARTBEATS;
  const { rss } = process.memoryUsage();
  await tracker.close();
  return { peers, leaseBytes, memberBytes, rssBytes: rss, joinMicros, heartbeatMicros };
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

async function join(store: SwarmStore, id: string, n: number): Promise<void> {
  const bitfield = Bitfield.of(PIECES, Array(PIECES / 2).keys());
  await store.join(id, { ...membership(n), bitfield }, false);
}

function membership(n: number) {
  const infoHash = Math.floor(n / SWARM_PEERS)
    .toString(16)
    .padStart(64, "0");
  return { infoHash, totalPieces: PIECES, fileName: "file.bin", revision: 1 };
}

/** As a peer of one torrent sends it; its secret is its id. */
function heartbeat(id: string, n: number): Uint8Array {
  const torrents = [{ ...membership(n), revision: 1n }];
  const message = { leaseId: id, leaseSecret: id, torrents };
  return toBinary(AnnounceRequestSchema, create(AnnounceRequestSchema, message));
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
