import { request } from "node:http";
import type { Socket } from "node:net";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Bitfield } from "#core/base/bitfield.ts";
import { AnnounceEvent, AnnounceRequestSchema, AnnounceResponseSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { announcePath, PEERS } from "./contenders.ts";
import { dial, type Server, type Source } from "./load.ts";

export const ANNOUNCE = "/pieza.v1.TrackerService/Announce";
/** The swarm of fifty partial peers. */
export const SWARM = { infoHash: "a".repeat(64), totalPieces: 2_048 };
/** Addresses that announce: each may 20 times a second. */
export const SOURCES = 1_500;
/** Addresses that one swarm's changes come from: enough for 4,000 changes a second. */
const CHANGERS = 200;

type AnnounceInit = MessageInitShape<typeof AnnounceRequestSchema>;
interface Lease {
  readonly leaseId: string;
  readonly leaseSecret: string;
}

/** What `GetFilePieces` is asked for: so many pieces, each with so many holders. */
export const mapName = (pieces: number, holders: number) => `pieces-${pieces}-${holders}`;

/** Fifty peers in the swarm that is asked for, and the maps that the seed's call answers with. */
export async function fill(server: Server): Promise<Changes> {
  for (let n = 1; n <= 4; n++) {
    const torrents = [10, 1_000].flatMap((total) =>
      [1, 4]
        .filter((holders) => n <= holders)
        .map((holders) => ({
          infoHash: String(holders).repeat(60) + String(total).padStart(4, "0"),
          fileName: mapName(total, holders),
          totalPieces: total,
          complete: true,
        })),
    );
    await announce(server, { event: AnnounceEvent.STARTED, port: 1_000 + n, torrents });
  }
  let lease: Lease = { leaseId: "", leaseSecret: "" };
  for (let n = 0; n < PEERS; n++) {
    const started = { event: AnnounceEvent.STARTED, port: 2_000 + n, torrents: [progress(1)] };
    lease = await announce(server, started, `127.2.0.${n + 1}`);
  }
  return new Changes(server, lease);
}

/** One peer of the swarm that has another piece, again and again. */
export class Changes {
  readonly #server: Server;
  readonly #lease: Lease;
  #revision = 1;
  #timer: NodeJS.Timeout | undefined;

  constructor(server: Server, lease: Lease) {
    this.#server = server;
    this.#lease = lease;
  }

  /** So many a second, until `stop`. */
  async start(perSecond: number): Promise<() => void> {
    const sockets: Socket[] = [];
    for (let n = 1; n <= CHANGERS; n++) sockets.push(await dial(this.#server.url, `127.3.0.${n}`));
    for (const socket of sockets) socket.on("error", () => {}).resume();
    let next = 0;
    const began = performance.now();
    this.#timer = setInterval(() => {
      const due = ((performance.now() - began) / 1_000) * perSecond;
      for (; next < due; next++) {
        const torrents = [progress(++this.#revision)];
        const message = { event: AnnounceEvent.PROGRESS, ...this.#lease, torrents };
        sockets[next % CHANGERS]!.write(post(this.#server.url, message));
      }
    }, 5);
    return () => {
      clearInterval(this.#timer);
      for (const socket of sockets) socket.destroy();
    };
  }
}

/** A lease for each address, in swarms of fifty; returns their heartbeats, which change nothing. */
export async function join(server: Server): Promise<Source[]> {
  const sources: Source[] = [];
  for (let n = 0; n < SOURCES; n++) {
    const address = addressOf(n);
    const infoHash = Math.floor(n / PEERS)
      .toString(16)
      .padStart(64, "f");
    const torrent = { infoHash, fileName: "file", totalPieces: SWARM.totalPieces, revision: 1n };
    const torrents = [{ ...torrent, complete: true }];
    const lease = await announce(server, { event: AnnounceEvent.STARTED, port: 5_000, torrents }, address);
    sources.push({ address, request: post(server.url, { ...lease, torrents: [torrent] }) });
  }
  return sources;
}

/** The same addresses announcing to a BitTorrent tracker, which answers with fifty peers. */
export function bittorrentSources({ url }: Server): Source[] {
  return Array.from({ length: SOURCES }, (_, n) => ({
    address: addressOf(n),
    request: Buffer.from(`GET ${announcePath(n % PEERS)} HTTP/1.1\r\nhost: ${new URL(url).host}\r\n\r\n`),
  }));
}

const addressOf = (n: number) => `127.1.${Math.floor(n / 250)}.${(n % 250) + 1}`;

/** Half of the pieces, and one more that is another at every revision. */
function progress(revision: number) {
  const half = Bitfield.of(SWARM.totalPieces, Array(SWARM.totalPieces / 2).keys());
  half.set(SWARM.totalPieces / 2 + (revision % (SWARM.totalPieces / 2)));
  return { ...SWARM, fileName: "file", revision: BigInt(revision), bitfield: half.toBytes() as never };
}

async function announce({ url }: Server, message: AnnounceInit, from = "127.0.0.1"): Promise<Lease> {
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const headers = { "content-type": "application/proto" };
    const options = { method: "POST", headers, localAddress: from, agent: false };
    const call = request(url + ANNOUNCE, options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => {
        const said = Buffer.concat(chunks);
        if (answer.statusCode === 200) resolve(said);
        else reject(new Error(`${url}: ${said}`));
      });
    });
    call.on("error", reject);
    call.end(encode(message));
  });
  const { leaseId, leaseSecret } = fromBinary(AnnounceResponseSchema, bytes);
  return { leaseId, leaseSecret };
}

function post(url: string, message: AnnounceInit): Buffer {
  const body = encode(message);
  const head = `POST ${ANNOUNCE} HTTP/1.1\r\nhost: ${new URL(url).host}\r\ncontent-type: application/proto\r\n`;
  return Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`), body]);
}

function encode(message: AnnounceInit): Uint8Array {
  return toBinary(AnnounceRequestSchema, create(AnnounceRequestSchema, message));
}
