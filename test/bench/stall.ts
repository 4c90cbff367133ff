/**
 * The longest time without a new verified piece while holders stall, come and go, or share one slow link, with real
 * sockets and the download of `pieza get`. Where no holder delivers: the time until the display says why.
 */
import { Bitfield } from "#core/base/bitfield.ts";
import { Download } from "#core/download/download.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { nodeClock } from "../../server/base/node-clock.ts";
import { nodeHasher } from "../../server/base/node-hasher.ts";
import { Reach } from "../../server/http/client/reach.ts";
import { connectPeer } from "../../server/peer/transports/connect.ts";
import { type MadeTorrent, makeTorrent } from "../support/swarms/made-torrent.ts";
import { startTestPeer } from "../support/swarms/test-peer.ts";
import { type DelayProxy, startDelayProxy } from "./delay-proxy.ts";
import { type Fault, type Link, startComingAndGoing, startFaulty, startForward } from "./stall/links.ts";
import { machineLines } from "./support/machine.ts";
import { benchOptions, isWanted } from "./support/options.ts";
import { barCells, spread, table } from "./support/table.ts";

const PIECE_BYTES = 1 << 20;
/** What all good holders of a scene have together, a second. */
const BYTES_PER_SECOND = 8e6;
const SLOW_BYTES_PER_SECOND = 2.5e6;
const LIMIT_MS = 120_000;
const TRACKER_URL = "http://127.0.0.1:1";
const NO_HOLDER_LIMIT_MS = 30_000;
const gapBar = { sign: "<=", value: 2, unit: "s" } as const;
const reasonBar = { sign: "<=", value: 5, unit: "s" } as const;

const options = benchOptions("node test/bench/stall.ts: the longest time without a new piece.", 32);

/** The links of a scene; `good` leads to a holder that delivers. */
interface Scene {
  readonly name: string;
  readonly bytesPerSecond?: number;
  readonly links: (good: DelayProxy) => Promise<Link[]>;
}

const many = <T>(count: number, make: (at: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, at) => make(at)));
const faulty = (fault: Fault, count: number) => many(count, () => startFaulty(fault, PIECE_BYTES));

const delivering: readonly Scene[] = [
  {
    name: "8 send headers, then nothing; 1 delivers",
    links: async (good) => [...(await faulty("headers", 8)), await startForward(good)],
  },
  {
    name: "8 send one byte a second; 1 delivers",
    links: async (good) => [...(await faulty("drip", 8)), await startForward(good)],
  },
  {
    name: "8 stop after half a piece; 1 delivers",
    links: async (good) => [...(await faulty("half", 8)), await startForward(good)],
  },
  {
    name: "6 of each kind; 2 deliver",
    links: async (good) => [
      ...(await faulty("headers", 6)),
      ...(await faulty("drip", 6)),
      ...(await faulty("half", 6)),
      ...(await many(2, () => startForward(good))),
    ],
  },
  {
    name: "4 come and go, 2 s each, by turns",
    links: (good) => many(4, (at) => startComingAndGoing(good, 2_000, 1_000 + at * 1_000)),
  },
  {
    name: "8 share a link of 2.5 MB/s",
    bytesPerSecond: SLOW_BYTES_PER_SECOND,
    links: (good) => many(8, () => startForward(good)),
  },
];

const fruitless: readonly Scene[] = [
  { name: "4 send headers, then nothing", links: () => faulty("headers", 4) },
  { name: "4 send one byte a second", links: () => faulty("drip", 4) },
  { name: "4 stop after half a piece", links: () => faulty("half", 4) },
  {
    name: "nobody is there",
    links: () =>
      many(4, async () => {
        const link = await startFaulty("headers", PIECE_BYTES);
        await link.close();
        return { ...link, close: async () => {} };
      }),
  },
];

function downloadFrom(made: MadeTorrent, links: readonly Link[], onHeld: () => void): Download {
  const { geometry, torrent } = made;
  const has = Bitfield.full(geometry.count);
  const peers = links.map(({ url }) => ({ url, bitfield: has }));
  const pieceLength = (index: Parameters<typeof geometry.lengthOf>[0]) => geometry.lengthOf(index);
  const reach = new Reach();
  return new Download({
    torrent,
    store: new MemoryPieceStore(geometry),
    hasher: nodeHasher,
    clock: nodeClock,
    random: Math.random,
    trackers: [
      {
        url: TRACKER_URL,
        announce: async () => {
          throw new Error("nobody announces here");
        },
        locate: async () => {
          await reach.named(
            TRACKER_URL,
            peers.map(({ url }) => url),
          );
          return { peers, turn: 0, trackerId: "bench", nextLocateMs: 4_000 };
        },
      },
    ],
    connect: (url, legacy) =>
      connectPeer(torrent, { transport: "auto", ca: undefined, reach }, { url, legacy, pieceLength }),
    onHeld,
  });
}

interface Measured {
  readonly seconds: number;
  readonly longestSeconds: number;
}

/** A whole download. A download that is not complete after LIMIT_MS ends the bench. */
async function longestGap(made: MadeTorrent, links: readonly Link[]): Promise<Measured> {
  const times = [performance.now()];
  const download = downloadFrom(made, links, () => times.push(performance.now()));
  const timer = setTimeout(() => void download.stop(), LIMIT_MS);
  download.start();
  const { state, reason } = await download.whenDone;
  clearTimeout(timer);
  if (state !== "complete") throw new Error(`the download is ${state} after ${LIMIT_MS} ms: ${reason}`);
  const gaps = times.slice(1).map((time, at) => time - times[at]!);
  return { seconds: (times.at(-1)! - times[0]!) / 1000, longestSeconds: Math.max(...gaps) / 1000 };
}

/** Seconds until a snapshot has a reason, and the reason 500 ms later, when all peers have failed. */
async function untilReason(made: MadeTorrent, links: readonly Link[]): Promise<[number, string]> {
  const download = downloadFrom(made, links, () => {});
  const startedMs = performance.now();
  const said = new Promise<number>((resolve) => {
    const timer = setTimeout(() => resolve(NO_HOLDER_LIMIT_MS), NO_HOLDER_LIMIT_MS);
    const look = () => {
      if (download.peek().reason === "") return;
      clearTimeout(timer);
      resolve(performance.now() - startedMs);
    };
    download.subscribe(look);
  });
  download.start();
  const saidMs = await said;
  const { reason } = download.peek();
  await download.stop();
  return [saidMs / 1000, reason || "none"];
}

const made = await makeTorrent({ length: options.sizeBytes, pieceLength: PIECE_BYTES });
const peer = await startTestPeer({
  getPiece: (number) => made.bytes(number - 1),
  getBitfield: () => ({ totalPieces: made.geometry.count, complete: true }),
});

async function inScene<T>(scene: Scene, run: (links: readonly Link[]) => Promise<T>): Promise<T> {
  const { bytesPerSecond = BYTES_PER_SECOND } = scene;
  const good = await startDelayProxy({ targetPort: Number(new URL(peer.url).port), bytesPerSecond });
  const links = await scene.links(good);
  try {
    return await run(links);
  } finally {
    for (const link of links) await link.close();
    await good.close();
  }
}

const gapRows: string[][] = [];
for (const scene of delivering.filter(({ name }) => isWanted(name, options))) {
  const runs: Measured[] = [];
  while (runs.length < options.runs) {
    runs.push(await inScene(scene, (links) => longestGap(made, links)));
    console.error(`${scene.name}: ${runs.length} of ${options.runs}: ${JSON.stringify(runs.at(-1))}`);
  }
  const least = options.sizeBytes / (scene.bytesPerSecond ?? BYTES_PER_SECOND);
  const gaps = barCells(
    runs.map(({ longestSeconds }) => longestSeconds),
    2,
    gapBar,
  );
  const whole = spread(
    runs.map(({ seconds }) => seconds),
    1,
  );
  gapRows.push([scene.name, ...gaps, whole, least.toFixed(1)]);
}

const reasonRows: string[][] = [];
for (const scene of fruitless.filter(({ name }) => isWanted(name, options))) {
  const seconds: number[] = [];
  let said = "";
  while (seconds.length < options.runs) {
    const [after, reason] = await inScene(scene, (links) => untilReason(made, links));
    seconds.push(after);
    said = reason.split(", again")[0]!.replace(/https?:\/\/[\d.:]+/g, "<a holder>");
    console.error(`${scene.name}: ${seconds.length} of ${options.runs}: ${after.toFixed(2)} s: ${reason}`);
  }
  reasonRows.push([scene.name, ...barCells(seconds, 2, reasonBar), said]);
}
await peer.close();

console.log(machineLines(options.folder).join("\n"));
console.log(`${options.sizeBytes / PIECE_BYTES} pieces of 1 MiB; ${options.runs} runs; median (min-max)\n`);
const head = [
  "longest time without a new piece",
  "measured",
  "bar",
  "",
  "download, s",
  "the link's least, s",
];
console.log(table(head, gapRows));
console.log(`\n${table(["until the display says why", "measured", "bar", "", "what it says"], reasonRows)}`);
process.exit(0);
