import type { Swarm } from "../support/pieza.ts";
import type { Bars, Contender, Prepared } from "./contender.ts";
import * as others from "./others.ts";
import { MANY, programPath, type Sources } from "./sources.ts";

const transports = ["grpc", "connect", "auto"] as const;
type Transport = (typeof transports)[number];

const pidsOf = ({ peers }: Swarm) => peers.map(({ process }) => process.pid);

/** `pieza get` with some flags, from one of our swarms. */
function piezaGet(
  name: string,
  swarm: (sources: Sources) => Promise<Swarm>,
  flags: readonly string[],
  bars: Bars = {},
): Contender {
  const prepare = async (sources: Sources): Promise<Prepared> => {
    const { pieza, file } = sources;
    const from = await swarm(sources);
    return { command: (output) => pieza.get(file, from, output, ...flags), pids: pidsOf(from) };
  };
  return { name, prepare, bars };
}

/** The same with a transport, unless this `pieza` does not have it. */
function piezaGetOver(
  transport: Transport,
  prefix: string,
  swarm: (sources: Sources) => Promise<Swarm>,
  bars: Bars = {},
): Contender {
  const name = `${prefix}pieza get --transport ${transport}`;
  const got = piezaGet(name, swarm, ["--sync", "none", "--transport", transport], bars);
  const prepare = async (sources: Sources) => {
    if (!sources.pieza.hasFlag("get", "--transport", transport))
      throw new Error(`this pieza has no --transport ${transport}`);
    return got.prepare(sources);
  };
  return { ...got, prepare };
}

const onePeer = (sources: Sources) => sources.onePeer();
const slowPeer = (sources: Sources) => sources.slowPeer();

/** When bytes reach the disk is left to the system, as with every contender whose name does not say "sync". */
const fromOnePeer = piezaGet("pieza get", onePeer, ["--sync", "none"], {
  timesAsFast: [
    [others.curl, 0.8],
    [others.curlThenOpenssl, 1.35],
    [others.libtorrent, 1.5],
    [others.webtorrent, 3.5],
    [others.aria2, 1.35],
  ],
  cpuSecondsPerGiB: { leecher: 1.7, seeders: 0.9 },
});

const synced = piezaGet("pieza get --sync batch", onePeer, ["--sync", "batch"], {
  timesAsFast: [[others.curlThenSync, 0.85]],
});

const fromManyPeers = piezaGet(
  `pieza get, ${MANY} peers`,
  (sources) => sources.manyPeers(),
  ["--sync", "none"],
  {
    timesAsFast: [
      [fromOnePeer, 0.9],
      [others.libtorrentMany, 1.6],
      [others.webtorrentMany, 5],
      [others.aria2Many, 1.3],
    ],
  },
);

const overTransports = transports.map((transport) =>
  piezaGetOver(
    transport,
    "",
    onePeer,
    transport === "grpc" ? { timesAsFast: [[others.libtorrent, 0.8]] } : {},
  ),
);

const overLongLink = transports.map((transport) =>
  piezaGetOver(transport, "50 ms away: ", slowPeer, { atLeastMiBPerSecond: 45 }),
);

/** The library's own gRPC client, from a server of the loopback. */
function stockClient(
  name: string,
  from: (sources: Sources) => Promise<{ url: string; pid: number }>,
  bars: Bars = {},
): Contender {
  const prepare = async (sources: Sources): Promise<Prepared> => {
    const { url, pid } = await from(sources);
    const client = [process.execPath, programPath("stock-client.ts"), url, sources.file.torrent];
    return { command: (output) => [...client, output], pids: [pid] };
  };
  return { name, prepare, bars };
}

const stockFromStock = stockClient("stock gRPC client, stock server", async (sources) => {
  const { ports, pids } = await sources.stockServer();
  return { url: `http://127.0.0.1:${ports[0]}`, pid: pids[0]! };
});

const stockFromOurs = stockClient(
  "stock gRPC client, our peer",
  async (sources) => {
    const [peer] = (await sources.onePeer()).peers;
    return { url: peer!.url, pid: peer!.process.pid };
  },
  { timesAsFast: [[stockFromStock, 1.4]] },
);

/** All of them, in the order of a round. */
export const contenders: readonly Contender[] = [
  others.curl,
  fromOnePeer,
  others.curlThenOpenssl,
  others.libtorrent,
  others.webtorrent,
  others.aria2,
  others.curlThenSync,
  synced,
  fromManyPeers,
  others.libtorrentMany,
  others.webtorrentMany,
  others.aria2Many,
  ...overTransports,
  stockFromStock,
  stockFromOurs,
  ...overLongLink,
];
