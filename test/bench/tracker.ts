/**
 * Trackers over the loopback: pieza against bittorrent-tracker, opentracker and the library's own handler. Servers take
 * turns; one process each, one load tool with one thread. The seed's Python tracker is not at hand here: its call is
 * measured against the library's handler, which once was found as fast as it for 10 pieces and 5 times for 1,000.
 * Limits are on. Peers are not called back: those of a bench do not exist.
 */
import { execFile } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { Bitfield } from "#core/bitfield.ts";
import { LocatePiecesRequestSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { GetFilePiecesRequestSchema } from "#gen/tracker_pb.ts";
import { root } from "../../scripts/run-command.ts";
import { ensurePackages, program } from "../../scripts/system-packages.ts";
import { machineLines } from "./support/machine.ts";
import { benchOptions, isWanted } from "./support/options.ts";
import { spread, table } from "./support/table.ts";
import { freePort, Workspace } from "./support/workspace.ts";
import { grpcLoad, httpLoad, type Load, type Source, sourcesLoad } from "./tracker/load.ts";

const SECONDS = 3;
const PEERS = 50;
const PIECES = 2_048;
/** Addresses that announce: each may 20 times a second. */
const SOURCES = 1_000;
const INFO_HASH = "a".repeat(64);
const LOCATE = "/pieza.v1.TrackerService/LocatePieces";
const ANNOUNCE = "/pieza.v1.TrackerService/Announce";
const GET_FILE_PIECES = "/tracker.TrackerService/GetFilePieces";
/** Between two changes of the swarm, so that there is one about every hundred calls. */
const CHANGE_MS = 20;

const options = benchOptions("node test/bench/tracker.ts: trackers over the loopback.");
const packages = ["wrk", "opentracker"].map((name) => program(name, name));
packages.push(program("nghttp2-client", "h2load"));
if (!(await ensurePackages(packages, "this benchmark needs"))) process.exit(1);

interface Row {
  readonly name: string;
  readonly load: () => Promise<Load>;
  readonly measured: Load[];
}

await Workspace.use(options.folder, async (workspace) => {
  const ours = await start("our-server.ts", "direct");
  const library = await start("our-server.ts", "library");
  const stock = await start("stock-server.ts");
  const bittorrent = await startBittorrentTracker();
  const opentracker = await startOpentracker();
  const changes = [await fill(ours), await fill(library)];
  const announcers = await join(ours);
  const seconds = SECONDS;
  const rows: Row[] = [];
  const row = (name: string, load: () => Promise<Load>) => void rows.push({ name, load, measured: [] });

  const locate = toBinary(
    LocatePiecesRequestSchema,
    create(LocatePiecesRequestSchema, { infoHash: INFO_HASH, totalPieces: PIECES }),
  );
  row("LocatePieces, gRPC, 50 peers", () =>
    grpcLoad(workspace, { url: ours, path: LOCATE, message: locate, seconds }),
  );
  row("LocatePieces, gRPC, 50 peers, library's handler", () =>
    grpcLoad(workspace, { url: library, path: LOCATE, message: locate, seconds }),
  );
  row("LocatePieces, HTTP/1.1, 50 peers", () =>
    httpLoad(workspace, { url: ours + LOCATE, body: locate, seconds }),
  );
  row("LocatePieces, HTTP/1.1, 50 peers, library's handler", () =>
    httpLoad(workspace, { url: library + LOCATE, body: locate, seconds }),
  );
  row("bittorrent-tracker announce, 50 peers, keep-alive", () =>
    httpLoad(workspace, { url: bittorrentUrl(bittorrent, PEERS), seconds }),
  );
  row("opentracker announce, 50 peers, closes each connection", () =>
    httpLoad(workspace, { url: bittorrentUrl(opentracker, PEERS), seconds }),
  );
  row(`Announce, ${SOURCES} addresses`, () => sourcesLoad(ours, announcers, seconds));
  row(`bittorrent-tracker announce, ${SOURCES} addresses`, () =>
    sourcesLoad(bittorrent, bittorrentSources(bittorrent), seconds),
  );
  for (const total of [10, 1_000]) {
    for (const holders of [1, 4]) {
      const fileName = `pieces-${total}-${holders}`;
      const message = toBinary(GetFilePiecesRequestSchema, create(GetFilePiecesRequestSchema, { fileName }));
      const call = { path: GET_FILE_PIECES, message, seconds };
      row(`GetFilePieces, gRPC, ${total} pieces, ${holders} holders`, () =>
        grpcLoad(workspace, { url: ours, ...call }),
      );
      row(`GetFilePieces, gRPC, ${total} pieces, ${holders} holders, library alone`, () =>
        grpcLoad(workspace, { url: stock, ...call }),
      );
    }
  }

  const wanted = rows.filter(({ name }) => isWanted(name, options));
  const timer = setInterval(() => {
    for (const change of changes) change().catch(() => {});
  }, CHANGE_MS);
  for (let round = 0; round < options.runs; round++) {
    for (const { name, load, measured } of wanted) {
      measured.push(await load());
      console.error(`${round + 1} of ${options.runs}: ${name}: ${measured.at(-1)!.perSecond.toFixed(0)}/s`);
    }
  }
  clearInterval(timer);
  report(wanted);

  async function start(script: string, ...args: string[]): Promise<string> {
    const server = workspace.start([process.execPath, `${root}test/bench/tracker/${script}`, ...args]);
    return (await server.nextLine(/listening at (\S+)/))[1]!;
  }

  async function startBittorrentTracker(): Promise<string> {
    const install = ["install", "--ignore-scripts", "--omit=optional", "--prefix", workspace.folder];
    await promisify(execFile)("npm", [...install, "bittorrent-tracker@11.2.3"]);
    const port = await freePort();
    // Its command wants a native module for WebRTC; its server does not.
    const entry = workspace.path("bittorrent-tracker.mjs");
    await writeFile(
      entry,
      `import Server from "bittorrent-tracker/server";
      const server = new Server({ udp: false, ws: false, stats: false });
      server.listen(${port}, "127.0.0.1", () => console.log("listening"));`,
    );
    await workspace.start([process.execPath, entry]).nextLine(/listening/);
    return announced(`http://127.0.0.1:${port}`);
  }

  async function startOpentracker(): Promise<string> {
    // It gives up its rights and its root folder.
    await chmod(workspace.folder, 0o755);
    const port = await freePort();
    workspace.start([
      "opentracker",
      "-i",
      "127.0.0.1",
      "-p",
      String(port),
      "-P",
      String(port),
      "-d",
      workspace.folder,
    ]);
    const url = `http://127.0.0.1:${port}`;
    for (let tries = 0; tries < 50; tries++) {
      if (
        await fetch(bittorrentUrl(url, 0)).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return announced(url);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("opentracker does not answer");
  }
});

/** Fifty peers in the swarm that is asked for, and the maps that the seed's call answers with. Returns what changes one. */
async function fill(url: string): Promise<() => Promise<unknown>> {
  const holder = (port: number) => ({
    port,
    torrents: [10, 1_000].flatMap((total) =>
      [1, 4]
        .filter((holders) => port <= 1_000 + holders)
        .map((holders) => ({
          info_hash: String(holders).repeat(63) + (total === 10 ? "a" : "b"),
          file_name: `pieces-${total}-${holders}`,
          total_pieces: total,
          complete: true,
        })),
    ),
  });
  for (let port = 1_001; port <= 1_004; port++) await announce(url, { event: 1, ...holder(port) });
  let lease = {};
  const half = Bitfield.of(PIECES, [...Array(PIECES / 2).keys()]);
  const torrent = (revision: number) => ({
    info_hash: INFO_HASH,
    file_name: "file",
    total_pieces: PIECES,
    revision,
    bitfield: Buffer.from(half.toBytes()).toString("base64"),
  });
  for (let n = 0; n < PEERS; n++) {
    lease = await announce(url, { event: 1, port: 2_000 + n, torrents: [torrent(1)] }, `127.2.0.${n + 1}`);
  }
  let revision = 1;
  let source = 0;
  const { lease_id, lease_secret } = lease as Record<string, string>;
  // From many addresses: one alone may announce 20 times a second.
  return () =>
    announce(
      url,
      { event: 2, lease_id, lease_secret, torrents: [torrent(++revision)] },
      `127.3.0.${(source++ % 200) + 1}`,
    );
}

/** A lease for each address, in swarms of fifty; returns their heartbeats. */
async function join(url: string): Promise<Source[]> {
  const sources: Source[] = [];
  for (let n = 0; n < SOURCES; n++) {
    const address = `127.1.${n >> 8}.${n & 255}`;
    const swarm = Math.floor(n / PEERS)
      .toString(16)
      .padStart(64, "f");
    const torrent = { info_hash: swarm, file_name: "file", total_pieces: PIECES, revision: 1 };
    const started = { event: 1, port: 5_000, torrents: [{ ...torrent, complete: true }] };
    const { lease_id, lease_secret } = await announce(url, started, address);
    const body = JSON.stringify({ lease_id, lease_secret, torrents: [torrent] });
    sources.push({ address, request: post(url, body) });
  }
  return sources;
}

async function announce(url: string, message: object, from = "127.0.0.1"): Promise<Record<string, string>> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const call = request(
      url + ANNOUNCE,
      { method: "POST", headers, localAddress: from, agent: false },
      (answer) => {
        let text = "";
        answer.on("data", (chunk) => {
          text += chunk;
        });
        answer.on("end", () =>
          answer.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(text)),
        );
      },
    );
    call.on("error", reject);
    call.end(JSON.stringify(message));
  });
}

function post(url: string, body: string): Buffer {
  const { host } = new URL(url);
  const head = `POST ${ANNOUNCE} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n`;
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function bittorrentUrl(url: string, n: number): string {
  const peer = `peer_id=-XX0000-${String(n).padStart(12, "0")}&port=${2_000 + n}`;
  return `${url}/announce?info_hash=${"%aa".repeat(20)}&${peer}&uploaded=0&downloaded=0&left=1&compact=1&numwant=50`;
}

function bittorrentSources(url: string): Source[] {
  return Array.from({ length: SOURCES }, (_, n) => {
    const { pathname, search, host } = new URL(bittorrentUrl(url, n % PEERS));
    return {
      address: `127.1.${n >> 8}.${n & 255}`,
      request: Buffer.from(`GET ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\n\r\n`),
    };
  });
}

/** Fifty peers in a BitTorrent tracker. */
async function announced(url: string): Promise<string> {
  for (let n = 0; n < PEERS; n++) await fetch(bittorrentUrl(url, n));
  return url;
}

function report(rows: readonly Row[]): void {
  for (const line of machineLines(options.folder)) console.log(line);
  const cells = rows.map(({ name, measured }) => [
    name,
    spread(
      measured.map(({ perSecond }) => perSecond),
      0,
    ),
    Number.isNaN(measured[0]!.p99Ms)
      ? ""
      : spread(
          measured.map(({ p99Ms }) => p99Ms),
          1,
        ),
  ]);
  console.log(`\n${table(["call", "per second", "p99 ms"], cells)}\n`);
  const of = (name: string) => {
    const row = rows.find((one) => one.name === name);
    return row
      ? row.measured.map(({ perSecond }) => perSecond).sort((a, b) => a - b)[row.measured.length >> 1]!
      : NaN;
  };
  const bars: [string, number, string, string][] = [
    [
      "LocatePieces over bittorrent-tracker's announce",
      3,
      "LocatePieces, HTTP/1.1, 50 peers",
      "bittorrent-tracker announce, 50 peers, keep-alive",
    ],
    [
      "LocatePieces (keep-alive) over opentracker (reconnects)",
      0.35,
      "LocatePieces, HTTP/1.1, 50 peers",
      "opentracker announce, 50 peers, closes each connection",
    ],
    [
      "LocatePieces over the library's handler, gRPC",
      2.5,
      "LocatePieces, gRPC, 50 peers",
      "LocatePieces, gRPC, 50 peers, library's handler",
    ],
    [
      "LocatePieces over the library's handler, HTTP/1.1",
      2.5,
      "LocatePieces, HTTP/1.1, 50 peers",
      "LocatePieces, HTTP/1.1, 50 peers, library's handler",
    ],
    [
      "Announce over bittorrent-tracker's",
      3,
      `Announce, ${SOURCES} addresses`,
      `bittorrent-tracker announce, ${SOURCES} addresses`,
    ],
    [
      "GetFilePieces of 1,000 pieces over the library alone, 1 holder",
      1,
      "GetFilePieces, gRPC, 1000 pieces, 1 holders",
      "GetFilePieces, gRPC, 1000 pieces, 1 holders, library alone",
    ],
    [
      "GetFilePieces of 1,000 pieces over the library alone, 4 holders",
      1,
      "GetFilePieces, gRPC, 1000 pieces, 4 holders",
      "GetFilePieces, gRPC, 1000 pieces, 4 holders, library alone",
    ],
  ];
  const ratios = bars.map(([what, bar, ours, other]) => {
    const ratio = of(ours) / of(other);
    return [what, `${ratio.toFixed(2)} x`, `>= ${bar} x`, ratio >= bar ? "met" : "missed"];
  });
  console.log(table(["ratio of medians", "measured", "bar", ""], ratios));
}
