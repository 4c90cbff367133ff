import { Bitfield } from "#core/base/bitfield.ts";
import { type Clock, sleep } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { ByteRange } from "#core/content/byte-range.ts";
import { PieceWaits } from "#core/content/piece-waits.ts";
import { type ReaderPieces, readAhead } from "#core/content/read-ahead.ts";
import { Download } from "#core/download/download.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import type { Reach } from "../../http/client/reach.ts";
import type { ContentReader } from "../serving/content-source.ts";
import { connectPeer, openTracker } from "../transports/connect.ts";
import type { OpenTracker } from "../transports/plain-tracker.ts";
import type { CachedPieces } from "./cached-pieces.ts";

export interface GatewayTorrentOptions {
  readonly pieces: CachedPieces;
  /** The trackers to ask, URLs. Called when the first reader comes. */
  readonly trackersOf: (torrent: Torrent) => Promise<readonly string[]>;
  /** The pieces that this server holds: cached ones and others. */
  readonly holds: (index: PieceIndex) => boolean;
  readonly isSelf: (url: string) => boolean;
  /** Longest wait of a reader without any piece of the torrent arriving. */
  readonly giveUpAfterMs: number;
  readonly ca: string | undefined;
  readonly reach: Reach;
  readonly clock: Clock;
  /** Called when the download of a torrent without readers has ended. */
  readonly onIdle: () => void;
}

/** Assumed time that a reader takes for one piece: it only orders the pieces of several readers. */
const STEP_MS = 100;
/** The download of a torrent without readers ends after this time. */
const IDLE_MS = 30_000;

/** One torrent of a gateway: fetches the pieces that its readers need, and wakes them when they are held. */
export class GatewayTorrent {
  readonly pieces: CachedPieces;
  readonly #options: GatewayTorrentOptions;
  readonly #waits = new PieceWaits();
  readonly #readers = new Set<AbortController>();
  #source: Promise<Source> | undefined;
  /** When a piece was last held. */
  #heldMs = Number.NEGATIVE_INFINITY;
  #cancelIdle = () => {};

  constructor(options: GatewayTorrentOptions) {
    this.#options = options;
    this.pieces = options.pieces;
  }

  /** Whether a reader is there or was within IDLE_MS. */
  get busy(): boolean {
    return this.#readers.size > 0 || this.#source !== undefined;
  }

  /** A reader of these bytes, in order. */
  read(range: ByteRange): ContentReader {
    const reader = new AbortController();
    this.#readers.add(reader);
    this.#cancelIdle();
    return {
      ready: (index) => {
        const waiting = this.#options.holds(index) ? undefined : this.#wait(reader.signal, index);
        const pieces = readAhead(this.pieces.geometry, range, index);
        // What is cached needs no peers, and a crowd of readers of it costs nothing here.
        if (!this.#holdsAll(pieces)) void this.#focus(reader, pieces);
        return waiting;
      },
      close: () => this.#leave(reader),
    };
  }

  onHeld(index: PieceIndex): void {
    this.#heldMs = this.#options.clock.now();
    this.#waits.onHeld(index);
  }

  async onLost(index: PieceIndex): Promise<void> {
    (await this.#source?.catch(() => undefined))?.download.lost(index);
  }

  /** Ends the download and fails every wait. */
  async stop(): Promise<void> {
    this.#cancelIdle();
    this.#waits.fail(new PiezaError("unavailable", "this gateway is shutting down"));
    await this.#close();
  }

  async #focus(reader: AbortController, pieces: ReaderPieces): Promise<void> {
    try {
      this.#source ??= this.#open();
      const { download } = await this.#source;
      if (!this.#readers.has(reader)) return;
      const byMs = this.#options.clock.now();
      download.focus(reader, { ...pieces, byMs, stepMs: STEP_MS });
    } catch (error) {
      this.#source = undefined;
      this.#waits.fail(error);
    }
  }

  #holdsAll({ first, end }: ReaderPieces): boolean {
    for (let n = first; n < end; n++) if (!this.#options.holds(n as PieceIndex)) return false;
    return true;
  }

  #leave(reader: AbortController): void {
    if (!this.#readers.delete(reader)) return;
    reader.abort(new PiezaError("unavailable", "the reader has left"));
    void this.#source?.then(({ download }) => download.focus(reader, undefined)).catch(() => {});
    if (this.#readers.size > 0) return;
    if (!this.#source) this.#options.onIdle();
    if (!this.#source) return;
    this.#cancelIdle = this.#options.clock.after(IDLE_MS, () => void this.#close());
  }

  async #close(): Promise<void> {
    const source = await this.#source?.catch(() => undefined);
    this.#source = undefined;
    await source?.close();
    if (this.#readers.size === 0) this.#options.onIdle();
  }

  /** Resolves when the piece is held. Rejects when no piece of the torrent has arrived for `giveUpAfterMs`. */
  async #wait(reader: AbortSignal, index: PieceIndex): Promise<void> {
    const over = new AbortController();
    const startedMs = this.#options.clock.now();
    this.#untilGaveUp(startedMs, over.signal).then(
      async () => over.abort(await this.#gaveUp(index)),
      () => {},
    );
    try {
      await this.#waits.wait(index, AbortSignal.any([reader, over.signal]));
    } finally {
      over.abort();
    }
  }

  /** Resolves when no piece was held for `giveUpAfterMs` since `startedMs`. */
  async #untilGaveUp(startedMs: number, signal: AbortSignal): Promise<void> {
    const { clock, giveUpAfterMs } = this.#options;
    for (let leftMs = giveUpAfterMs; leftMs > 0; ) {
      await sleep(clock, leftMs, signal);
      leftMs = Math.max(startedMs, this.#heldMs) + giveUpAfterMs - clock.now();
    }
  }

  async #gaveUp(index: PieceIndex): Promise<PiezaError> {
    const source = await this.#source?.catch(() => undefined);
    const why = source?.download.peek().reason || "no peer gives it";
    const seconds = Math.round(this.#options.giveUpAfterMs / 1000);
    return new PiezaError(
      "deadline_exceeded",
      `piece ${index + 1} did not arrive within ${seconds} s: ${why}`,
    );
  }

  async #open(): Promise<Source> {
    const { pieces, trackersOf, isSelf, ca, reach, clock } = this.#options;
    const { torrent, geometry } = pieces;
    const urls = await trackersOf(torrent);
    if (urls.length === 0) throw new PiezaError("unavailable", "no tracker is known for this torrent");
    const ways = { transport: "auto", ca, reach } as const;
    const trackers = await Promise.all(urls.map((url) => openTracker(url, ways)));
    const pieceLength = (index: PieceIndex) => geometry.lengthOf(index);
    const download = new Download({
      torrent,
      store: pieces,
      wanted: new Bitfield(geometry.count),
      openEnded: true,
      trackers,
      connect: (url, legacy) => connectPeer(torrent, ways, { url, legacy, pieceLength }),
      hasher: nodeHasher,
      clock,
      random: Math.random,
      isSelf,
    });
    void download.whenDone.then(({ state }) => {
      if (state === "failed") this.#onFailed(download);
    });
    download.start();
    return new Source(download, trackers);
  }

  /** The cache's disk has failed. The next reader starts anew. */
  #onFailed({ failure }: Download): void {
    this.#waits.fail(failure);
    void this.#close();
  }
}

/** A running download and its trackers. */
class Source {
  readonly download: Download;
  readonly #trackers: readonly OpenTracker[];

  constructor(download: Download, trackers: readonly OpenTracker[]) {
    this.download = download;
    this.#trackers = trackers;
  }

  async close(): Promise<void> {
    await this.download.stop();
    for (const tracker of this.#trackers) tracker.close();
  }
}
