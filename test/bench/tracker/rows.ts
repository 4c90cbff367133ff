import { create, toBinary } from "@bufbuild/protobuf";
import { LocatePiecesRequestSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { GetFilePiecesRequestSchema } from "#gen/tracker_pb.ts";
import type { Workspace } from "../support/workspace.ts";
import { announcePath, type Contenders } from "./contenders.ts";
import { grpcLoad, httpLoad, type Load, sourcesLoad } from "./load.ts";
import { registerSeedPeers } from "./seed-peers.ts";
import { bittorrentSources, type Changes, fill, join, mapName, SOURCES, SWARM } from "./swarms.ts";

const SECONDS = 2;
const LOCATE = "/pieza.v1.TrackerService/LocatePieces";
const GET_FILE_PIECES = "/tracker.TrackerService/GetFilePieces";
/** Calls for each change of the swarm that they ask for. */
const CALLS_PER_CHANGE = 100;

/** One line of the table. */
export interface Row {
  readonly name: string;
  readonly load: () => Promise<Load>;
  readonly measured: Load[];
}

/** What is measured; starts the servers that the wanted rows need. */
export async function makeRows(
  contenders: Contenders,
  workspace: Workspace,
  isWanted: (name: string) => boolean,
): Promise<Row[]> {
  const rows: Row[] = [];
  const row = (name: string, load: () => Promise<Load>) => {
    if (isWanted(name)) rows.push({ name, load, measured: [] });
  };
  const ours = await contenders.ours();
  const stock = await contenders.stock();
  const bittorrent = await contenders.bittorrentTracker();
  const opentracker = await contenders.opentracker();
  const changes = await fill(ours);
  const stockChanges = await fill(stock.http1);
  const seconds = SECONDS;

  const locate = toBinary(LocatePiecesRequestSchema, create(LocatePiecesRequestSchema, SWARM));
  const http = { path: LOCATE, body: locate, seconds };
  const grpc = { path: LOCATE, message: locate, seconds };
  row(
    "LocatePieces, HTTP/1.1",
    changing(changes, () => httpLoad(workspace, ours, http)),
  );
  row(
    "LocatePieces, HTTP/1.1, stock handler",
    changing(stockChanges, () => httpLoad(workspace, stock.http1, http)),
  );
  row("bittorrent-tracker announce", () =>
    httpLoad(workspace, bittorrent, { path: announcePath(0), seconds }),
  );
  row(
    "LocatePieces, HTTP/1.1, a connection a call",
    changing(changes, () => httpLoad(workspace, ours, { ...http, close: true })),
  );
  row("opentracker announce, a connection a call", () =>
    httpLoad(workspace, opentracker, { path: announcePath(0), seconds }),
  );
  row(
    "LocatePieces, gRPC",
    changing(changes, () => grpcLoad(workspace, ours, grpc)),
  );
  row(
    "LocatePieces, gRPC, stock handler",
    changing(stockChanges, () => grpcLoad(workspace, stock.http2, grpc)),
  );

  const [sources, stockSources] = [await join(ours), await join(stock.http1)];
  const heard = `from ${SOURCES} addresses`;
  row(`Announce, HTTP/1.1, ${heard}`, () => sourcesLoad(ours, sources, seconds));
  row(`Announce, HTTP/1.1, ${heard}, stock handler`, () => sourcesLoad(stock.http1, stockSources, seconds));
  row(`bittorrent-tracker announce, ${heard}`, () =>
    sourcesLoad(bittorrent, bittorrentSources(bittorrent), seconds),
  );

  for (const total of [10, 1_000]) {
    const seed = await contenders.seed();
    await registerSeedPeers(seed, total, 4);
    for (const holders of [1, 4]) {
      const request = create(GetFilePiecesRequestSchema, { fileName: mapName(total, holders) });
      const call = { path: GET_FILE_PIECES, message: toBinary(GetFilePiecesRequestSchema, request), seconds };
      const name = `GetFilePieces, gRPC, ${total} pieces, ${holders} ${holders === 1 ? "holder" : "holders"}`;
      row(name, () => grpcLoad(workspace, ours, call));
      row(`${name}, stock handler`, () => grpcLoad(workspace, stock.http2, call));
    }
    const call = { path: GET_FILE_PIECES, message: new Uint8Array(), seconds };
    row(`GetFilePieces, gRPC, ${total} pieces, the seed's`, () => grpcLoad(workspace, seed, call));
  }
  return rows;
}

/** The load while the swarm changes, as often as the last such load was fast. */
function changing(changes: Changes, load: () => Promise<Load>): () => Promise<Load> {
  let perSecond = 5_000;
  return async () => {
    const stop = await changes.start(perSecond / CALLS_PER_CHANGE);
    try {
      const measured = await load();
      perSecond = measured.perSecond;
      return measured;
    } finally {
      stop();
    }
  };
}

/** A measured row over another. */
export interface Ratio {
  readonly what: string;
  readonly bar: number;
  readonly row: string;
  readonly over: string;
  /** The row's 99th percentile must not be worse. */
  readonly p99?: boolean;
}

const fromMany = `from ${SOURCES} addresses`;

export const ratios: readonly Ratio[] = [
  {
    what: "LocatePieces over bittorrent-tracker's announce",
    bar: 3,
    row: "LocatePieces, HTTP/1.1",
    over: "bittorrent-tracker announce",
    p99: true,
  },
  {
    what: "Announce over bittorrent-tracker's",
    bar: 3,
    row: `Announce, HTTP/1.1, ${fromMany}`,
    over: `bittorrent-tracker announce, ${fromMany}`,
    p99: true,
  },
  ...[10, 1_000].map((total) => ({
    what: `LocatePieces over the seed's GetFilePieces of ${total} pieces, gRPC`,
    bar: total === 10 ? 3.5 : 30,
    row: "LocatePieces, gRPC",
    over: `GetFilePieces, gRPC, ${total} pieces, the seed's`,
  })),
  {
    what: "LocatePieces over opentracker's announce, a connection a call",
    bar: 0.35,
    row: "LocatePieces, HTTP/1.1, a connection a call",
    over: "opentracker announce, a connection a call",
  },
  ...["1 holder", "4 holders"].map((holders) => ({
    what: `GetFilePieces of 1,000 pieces, ${holders}, over the seed's`,
    bar: 5,
    row: `GetFilePieces, gRPC, 1000 pieces, ${holders}`,
    over: "GetFilePieces, gRPC, 1000 pieces, the seed's",
  })),
  {
    what: "LocatePieces over the stock handler, HTTP/1.1",
    bar: 2.5,
    row: "LocatePieces, HTTP/1.1",
    over: "LocatePieces, HTTP/1.1, stock handler",
  },
  {
    what: "LocatePieces over the stock handler, gRPC",
    bar: 2.5,
    row: "LocatePieces, gRPC",
    over: "LocatePieces, gRPC, stock handler",
  },
  {
    what: "Announce over the stock handler, HTTP/1.1",
    bar: 2.5,
    row: `Announce, HTTP/1.1, ${fromMany}`,
    over: `Announce, HTTP/1.1, ${fromMany}, stock handler`,
  },
];
