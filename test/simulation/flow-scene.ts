import { Bitfield } from "#core/base/bitfield.ts";
import { Download } from "#core/download/download.ts";
import type { DownloadInput } from "#core/download/download-input.ts";
import type { DownloadOptions } from "#core/download/options.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { nodeHasher } from "../../server/base/node-hasher.ts";
import { seededBytes, seededRandom, torrentOf } from "../support/swarms/fake-swarm.ts";
import { FlowNet } from "./flow-net.ts";
import { FlowPeer, type FlowPlan } from "./flow-peer.ts";
import { SimClock, settle } from "./sim-clock.ts";

/** One download from peers whose bytes flow over links. */
export interface FlowScene {
  readonly seed: number;
  readonly pieces: number;
  readonly pieceLength: number;
  readonly peers: readonly FlowPlan[];
  /** Bytes per second that the downloader's own link carries. Default: no limit. */
  readonly receiverRate?: number | undefined;
  readonly options?: DownloadOptions;
}

export interface FlowResult {
  readonly last: DownloadSnapshot;
  readonly tookMs: number;
  /** The longest time without a verified piece, the start included. */
  readonly longestGapMs: number;
  /** Most bytes of requests under way at one instant. */
  readonly mostInFlightBytes: number;
}

/** Called after every instant. */
export type Look = (download: Download, now: number) => void;

/** Runs the download to its end. Fails if that takes longer than `limitMs`. */
export async function playScene(
  scene: FlowScene,
  limitMs: number,
  { look = () => {}, ...more }: Partial<DownloadInput> & { look?: Look } = {},
  clock = new SimClock(),
): Promise<FlowResult> {
  const whole = seededBytes(scene.pieces * scene.pieceLength, scene.seed);
  const { torrent, geometry } = torrentOf(whole, scene.pieceLength);
  const net = new FlowNet(clock, scene.receiverRate);
  const url = (n: number) => `http://peer-${n + 1}.test`;
  const peers = scene.peers.map((plan, n) => new FlowPeer(url(n), plan, net, geometry, whole));
  const heldAtMs = [0];
  const download = new Download({
    torrent,
    store: new MemoryPieceStore(geometry),
    trackers: [trackerOf(peers, clock, geometry.count)],
    connect: (url) => peers.find((peer) => peer.url === url)!,
    hasher: nodeHasher,
    clock,
    random: seededRandom(scene.seed),
    options: scene.options ?? {},
    onHeld: () => heldAtMs.push(clock.now()),
    ...more,
  });
  let mostInFlight = 0;
  download.start();
  await settle();
  const ended = () => ["complete", "failed"].includes(download.peek().state);
  while (!ended() && (await clock.step(limitMs))) {
    mostInFlight = Math.max(
      mostInFlight,
      peers.reduce((sum, peer) => sum + peer.inFlight, 0),
    );
    look(download, clock.now());
  }
  const last = download.peek();
  const tookMs = clock.now();
  await download.stop();
  if (last.state !== "complete") throw new Error(`not within ${limitMs} ms: ${told(scene, last)}`);
  const gaps = heldAtMs.slice(1).map((ms, at) => ms - heldAtMs[at]!);
  return {
    last,
    tookMs,
    longestGapMs: Math.max(...gaps),
    mostInFlightBytes: mostInFlight * scene.pieceLength,
  };
}

function told(scene: FlowScene, last: DownloadSnapshot): string {
  const peers = last.peers.map(({ state, servedPieces, inFlight }) => `${state} ${servedPieces} ${inFlight}`);
  return `${last.state} ${last.heldPieces} of ${last.totalPieces}; ${peers.join(", ")}; ${JSON.stringify(scene)}`;
}

function trackerOf(
  peers: readonly FlowPeer[],
  clock: SimClock,
  count: number,
): DownloadInput["trackers"][number] {
  return {
    url: "http://tracker.test",
    announce: () => Promise.reject(new Error("nobody announces here")),
    async locate() {
      const named = peers.filter(({ plan }) => (plan.joinsMs ?? 0) <= clock.now());
      return {
        peers: named.map(({ url }) => ({ url, bitfield: Bitfield.full(count) })),
        turn: 0,
        trackerId: "flow",
        nextLocateMs: 2_000,
      };
    },
  };
}
