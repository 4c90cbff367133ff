import { createHash } from "node:crypto";
import { Bitfield } from "#core/base/bitfield.ts";
import type { Random } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import { Download } from "#core/download/download.ts";
import type { DownloadInput } from "#core/download/download-input.ts";
import type { DownloadOptions } from "#core/download/options.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import type { Announced, SwarmKey, SwarmTable, Tracker } from "#core/ports/tracker.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../../server/base/node-hasher.ts";
import { FakeClock } from "../fake-clock.ts";
import { FakePeer, type FakePeerOptions } from "./fake-peer.ts";

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` bytes that are the same for the same seed. */
export function seededBytes(length: number, seed = 1): Uint8Array {
  const random = seededRandom(seed);
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let n = 0; n < words.length; n++) words[n] = random() * 2 ** 32;
  return new Uint8Array(words.buffer).slice(0, length);
}

/** A torrent of these bytes, unchecked: the piece length may be tiny and the info hash is made up. */
export function torrentOf(
  bytes: Uint8Array,
  pieceLength: number,
): { torrent: Torrent; geometry: PieceGeometry } {
  const geometry = new PieceGeometry(bytes.length, pieceLength);
  const pieces = [...geometry.indices()].map((index) => {
    const offset = geometry.offset(index);
    return createHash("sha256")
      .update(bytes.subarray(offset, offset + geometry.lengthOf(index)))
      .digest("hex");
  });
  const infoHash = createHash("sha256").update(pieces.join()).digest("hex");
  return {
    geometry,
    torrent: {
      fileName: "file.bin",
      pieces,
      lengths: { length: bytes.length, pieceLength },
      infoHash,
      trackers: [],
    },
  };
}

/** Names the swarm's peers by what they have at that moment; can be away. */
export class FakeTracker implements Tracker {
  readonly url = "http://tracker.test";
  away = false;
  /** Knows no such swarm. */
  ignorant = false;
  turn = 0;
  /** Which peers it names. */
  names: (peer: FakePeer) => boolean = () => true;
  /** Times that it was asked and answered, and that it was asked while it was away. */
  located = 0;
  missed = 0;
  readonly #swarm: FakeSwarm;

  constructor(swarm: FakeSwarm) {
    this.#swarm = swarm;
  }

  async locate(_: SwarmKey): Promise<SwarmTable> {
    if (this.away) {
      this.missed++;
      throw new PiezaError("unavailable", "the tracker is away");
    }
    this.located++;
    if (this.ignorant) throw new PiezaError("not_found", "no such swarm");
    const named = this.#swarm.peers.filter(this.names);
    const peers = named.map((peer) => ({ url: peer.url, bitfield: peer.has.clone() }));
    return { peers, turn: this.turn++, trackerId: "fake", nextLocateMs: 4_000 };
  }

  async announce(): Promise<Announced> {
    throw new PiezaError("unimplemented", "this tracker takes no announces");
  }
}

/** A torrent, its peers and a download of it, on one clock that moves by hand. */
export class FakeSwarm {
  readonly clock = new FakeClock();
  readonly peers: FakePeer[] = [];
  readonly tracker = new FakeTracker(this);
  readonly bytes: Uint8Array;
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  readonly store: MemoryPieceStore;
  readonly held: number[] = [];
  readonly seed: number;

  constructor(options: { pieces?: number; pieceLength?: number; lastPiece?: number; seed?: number } = {}) {
    const { pieces = 16, pieceLength = 1_000, seed = 1 } = options;
    this.seed = seed;
    this.bytes = seededBytes(pieceLength * (pieces - 1) + (options.lastPiece ?? pieceLength), seed);
    const { torrent, geometry } = torrentOf(this.bytes, pieceLength);
    this.torrent = torrent;
    this.geometry = geometry;
    this.store = new MemoryPieceStore(geometry);
  }

  add(options: Partial<FakePeerOptions> = {}): FakePeer {
    const url = `http://peer-${this.peers.length + 1}.test`;
    const peer = new FakePeer({
      url,
      clock: this.clock,
      geometry: this.geometry,
      bytes: this.bytes,
      ...options,
    });
    this.peers.push(peer);
    return peer;
  }

  download(options: DownloadOptions = {}, more: Partial<DownloadInput> = {}): Download {
    return new Download({
      torrent: this.torrent,
      store: this.store,
      trackers: [this.tracker],
      connect: (url) => this.peers.find((peer) => peer.url === url)!,
      // Synchronous: a digest on a thread pool would end at another moment of the fake clock in every run.
      hasher: nodeHasher,
      clock: this.clock,
      random: seededRandom(this.seed),
      options,
      onHeld: (index) => this.held.push(index),
      ...more,
    });
  }

  /** The stored bytes, or undefined while some are missing. */
  result(): Uint8Array | undefined {
    return this.store.held.complete
      ? Uint8Array.from(this.store.parts().flatMap((part) => [...part]))
      : undefined;
  }

  /** Every request at any peer. */
  get asked(): number[] {
    return this.peers.flatMap((peer) => peer.asked);
  }

  /** Moves the clock in small steps until `done()`; throws with `what` if that takes longer than `limitMs`. */
  async until(what: string, done: () => boolean, limitMs = 60_000): Promise<void> {
    for (let spentMs = 0; !done(); spentMs += 50) {
      if (spentMs > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
      await this.clock.tick(50);
    }
  }
}

/** The bitfield of the marked columns: "* *  " has the first and the third piece. */
export function picture(marks: string): Bitfield {
  return Bitfield.of(
    marks.length,
    [...marks].flatMap((mark, index) => (mark === " " ? [] : [index])),
  );
}
