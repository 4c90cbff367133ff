import type { Socket } from "node:net";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Bitfield } from "#core/base/bitfield.ts";
import { AnnounceEvent, AnnounceRequestSchema, AnnounceResponseSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { identifyKey } from "./called-back.ts";
import { dial } from "./load.ts";
import { ANNOUNCE } from "./swarms.ts";

const ADDRESSES = 1_000;
export const PEERS_PER_ADDRESS = 10;
const PIECES = 2_048;
const SWARM_PEERS = 50;
const HEARTBEAT_MS = 10_000;
const JOINS_AT_ONCE = 32;
/** Who is put off comes back so much later. */
const RETRY_MS = 1_000;
const MAX_PUT_OFF = 10_000;
/** Of that many announces one brings a piece. */
const PROGRESS_EVERY = 10;

/** Ten peers behind one address and one connection, which speak one after the other. */
interface Home {
  readonly socket: Socket;
  /** Resolves with the body of the next answer; undefined if it is a refusal. */
  answer: (body: Buffer | undefined) => void;
  readonly peers: { leaseId: string; leaseSecret: string; revision: number; readonly number: number }[];
}

/** 10,000 peers of a tracker. Those of a home begin their heartbeats once all ten have joined. */
export class Beats {
  readonly #url: string;
  readonly #ports: readonly number[];
  readonly #homes: Home[] = [];
  readonly #lives: Promise<void>[] = [];
  readonly #tookMs: number[] = [];
  #failed = 0;
  #measuredFromMs = Number.POSITIVE_INFINITY;
  #endMs = Number.POSITIVE_INFINITY;
  #unlisted = 0;
  #putOff = 0;

  private constructor(url: string, ports: readonly number[]) {
    this.#url = url;
    this.#ports = ports;
  }

  /** Dials from every address, and lets every peer announce STARTED. The ports are those of the ten behind each address. */
  static async start(url: string, ports: readonly number[]): Promise<Beats> {
    const beats = new Beats(url, ports);
    const places = Array(ADDRESSES).keys();
    const joinAll = async () => {
      for (const place of places) {
        const home = await beats.#dial(`127.5.${Math.floor(place / 250)}.${(place % 250) + 1}`);
        for (let n = 0; n < PEERS_PER_ADDRESS; n++) await beats.#join(home, place * PEERS_PER_ADDRESS + n);
        beats.#lives.push(beats.#live(home, place));
      }
    };
    await Promise.all(Array.from({ length: JOINS_AT_ONCE }, joinAll));
    return beats;
  }

  /** Peers whose STARTED was answered before they had been called back. */
  get unlisted(): number {
    return this.#unlisted;
  }

  /** How often STARTED was to come back later. */
  get putOff(): number {
    return this.#putOff;
  }

  /** Measures heartbeats for so long. Ends them, and the connections. */
  async run(seconds: number): Promise<{ tookMs: number[]; failed: number }> {
    this.#measuredFromMs = performance.now();
    this.#endMs = this.#measuredFromMs + 1_000 * seconds;
    await Promise.all(this.#lives);
    for (const { socket } of this.#homes) socket.destroy();
    return { tookMs: this.#tookMs, failed: this.#failed };
  }

  /** Its peers share the ten seconds, and homes do not speak all at once. */
  async #live(home: Home, place: number): Promise<void> {
    const gapMs = HEARTBEAT_MS / PEERS_PER_ADDRESS;
    let dueMs = (Math.ceil(performance.now() / gapMs) + place / ADDRESSES) * gapMs;
    for (let beat = 0; dueMs < this.#endMs; beat++, dueMs += gapMs) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
      const peer = home.peers[beat % PEERS_PER_ADDRESS]!;
      const hasNews = (beat + place) % PROGRESS_EVERY === 0;
      if (hasNews) peer.revision++;
      const { leaseId, leaseSecret, revision, number } = peer;
      const event = hasNews ? AnnounceEvent.PROGRESS : AnnounceEvent.UNSPECIFIED;
      const torrents = [torrentOf(number, revision, hasNews)];
      const answer = await this.#call(home, { event, leaseId, leaseSecret, torrents });
      if (dueMs < this.#measuredFromMs) continue;
      // From when it was due: a late answer to the one before makes this one late as well.
      this.#tookMs.push(performance.now() - dueMs);
      if (!answer) this.#failed++;
    }
  }

  async #dial(from: string): Promise<Home> {
    const socket = await dial(this.#url, from);
    const home: Home = { socket, answer: () => {}, peers: [] };
    socket.on("error", () => {}).on("close", () => home.answer(undefined));
    socket.on("data", (bytes: Buffer) => {
      const isFine = bytes.toString("latin1", 9, 12) === "200";
      home.answer(isFine ? bytes.subarray(bytes.indexOf("\r\n\r\n") + 4) : undefined);
    });
    this.#homes.push(home);
    return home;
  }

  async #join(home: Home, number: number): Promise<void> {
    const torrents = [torrentOf(number, 1, true)];
    const port = this.#ports[number % PEERS_PER_ADDRESS]!;
    const started = { event: AnnounceEvent.STARTED, port, identifyKey, torrents };
    let answer = await this.#call(home, started);
    // A busy tracker puts newcomers off.
    for (; !answer; answer = await this.#call(home, started)) {
      if (++this.#putOff > MAX_PUT_OFF) throw new Error(`peer ${number} was refused`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    const { leaseId, leaseSecret, listed } = fromBinary(AnnounceResponseSchema, answer);
    if (!listed) this.#unlisted++;
    home.peers.push({ leaseId, leaseSecret, revision: 1, number });
  }

  #call(home: Home, message: MessageInitShape<typeof AnnounceRequestSchema>): Promise<Buffer | undefined> {
    const body = toBinary(AnnounceRequestSchema, create(AnnounceRequestSchema, message));
    const head = `POST ${ANNOUNCE} HTTP/1.1\r\nhost: ${new URL(this.#url).host}\r\ncontent-type: application/proto\r\n`;
    return new Promise((resolve) => {
      home.answer = resolve;
      if (home.socket.destroyed) return resolve(undefined);
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
