import type { Socket } from "node:net";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Bitfield } from "#core/bitfield.ts";
import { AnnounceEvent, AnnounceRequestSchema, AnnounceResponseSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { dial } from "./load.ts";
import { ANNOUNCE } from "./swarms.ts";

const ADDRESSES = 1_000;
const PEERS_PER_ADDRESS = 10;
const PIECES = 2_048;
const SWARM_PEERS = 50;
const HEARTBEAT_MS = 10_000;
/** They all join well within one lease. */
const JOINS_AT_ONCE = 32;
/** Of that many announces one brings a piece. */
const PROGRESS_EVERY = 10;

/** Ten peers behind one address and one connection, which speak one after the other. */
interface Home {
  readonly socket: Socket;
  /** Resolves with the body of the next answer; undefined if it is a refusal. */
  answer: (body: Buffer | undefined) => void;
  readonly peers: { leaseId: string; leaseSecret: string; revision: number; readonly number: number }[];
}

/** 10,000 peers of a tracker. */
export class Beats {
  readonly #url: string;
  readonly #homes: Home[] = [];

  private constructor(url: string) {
    this.#url = url;
  }

  /** Dials from every address, and lets every peer announce STARTED. */
  static async start(url: string): Promise<Beats> {
    const beats = new Beats(url);
    const places = Array(ADDRESSES).keys();
    const joinAll = async () => {
      for (const place of places) {
        const home = await beats.#dial(`127.5.${Math.floor(place / 250)}.${(place % 250) + 1}`);
        for (let n = 0; n < PEERS_PER_ADDRESS; n++) await beats.#join(home, place * PEERS_PER_ADDRESS + n);
      }
    };
    await Promise.all(Array.from({ length: JOINS_AT_ONCE }, joinAll));
    return beats;
  }

  /** Every peer announces every ten seconds, for so long. Ends the connections. */
  async run(seconds: number): Promise<{ tookMs: number[]; failed: number }> {
    const tookMs: number[] = [];
    let failed = 0;
    const began = performance.now();
    const endMs = began + 1_000 * seconds;
    const live = async (home: Home, place: number) => {
      for (let beat = 0; ; beat++) {
        // Its peers share the ten seconds, and homes do not speak all at once.
        const dueMs = began + ((beat + place / ADDRESSES) * HEARTBEAT_MS) / PEERS_PER_ADDRESS;
        if (dueMs > endMs) return;
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
        const peer = home.peers[beat % PEERS_PER_ADDRESS]!;
        const hasNews = (beat + place) % PROGRESS_EVERY === 0;
        if (hasNews) peer.revision++;
        const { leaseId, leaseSecret, revision, number } = peer;
        const event = hasNews ? AnnounceEvent.PROGRESS : AnnounceEvent.UNSPECIFIED;
        // From when it was due: a late answer to the one before makes this one late as well.
        const answer = await this.#call(home, {
          event,
          leaseId,
          leaseSecret,
          torrents: [torrentOf(number, revision, hasNews)],
        });
        tookMs.push(performance.now() - dueMs);
        if (!answer) failed++;
      }
    };
    await Promise.all(this.#homes.map(live));
    for (const { socket } of this.#homes) socket.destroy();
    return { tookMs, failed };
  }

  async #dial(from: string): Promise<Home> {
    const socket = await dial(this.#url, from);
    const home: Home = { socket, answer: () => {}, peers: [] };
    socket.on("data", (bytes: Buffer) => {
      const isFine = bytes.toString("latin1", 9, 12) === "200";
      home.answer(isFine ? bytes.subarray(bytes.indexOf("\r\n\r\n") + 4) : undefined);
    });
    this.#homes.push(home);
    return home;
  }

  async #join(home: Home, number: number): Promise<void> {
    const torrents = [torrentOf(number, 1, true)];
    const port = 10_000 + (number % PEERS_PER_ADDRESS);
    const identifyKey = new Uint8Array(32);
    const started = { event: AnnounceEvent.STARTED, port, identifyKey, torrents };
    const answer = await this.#call(home, started);
    if (!answer) throw new Error(`peer ${number} was refused`);
    const { leaseId, leaseSecret } = fromBinary(AnnounceResponseSchema, answer);
    home.peers.push({ leaseId, leaseSecret, revision: 1, number });
  }

  #call(home: Home, message: MessageInitShape<typeof AnnounceRequestSchema>): Promise<Buffer | undefined> {
    const body = toBinary(AnnounceRequestSchema, create(AnnounceRequestSchema, message));
    const head = `POST ${ANNOUNCE} HTTP/1.1\r\nhost: ${new URL(this.#url).host}\r\ncontent-type: application/proto\r\n`;
    return new Promise((resolve) => {
      home.answer = resolve;
      home.socket.write(Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`), body]));
    });
  }
}

function torrentOf(number: number, revision: number, hasBitfield: boolean) {
  const infoHash = Math.floor(number / SWARM_PEERS)
    .toString(16)
    .padStart(64, "0");
  const torrent = { infoHash, totalPieces: PIECES, fileName: "file.bin", revision: BigInt(revision) };
  if (!hasBitfield) return torrent;
  const bitfield = Bitfield.of(PIECES, Array(PIECES / 2).keys());
  bitfield.set(PIECES / 2 + (revision % (PIECES / 2)));
  return { ...torrent, bitfield: bitfield.toBytes() as never };
}
