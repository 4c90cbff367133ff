import { type Clock, sleep } from "#core/base/clock.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { ServedStore, ServedTorrent } from "../stores/served-torrents.ts";

export interface ScrubOptions {
  /** The torrents served; each pass reads them anew. */
  readonly torrents: Iterable<ServedTorrent>;
  /** Rate at which held pieces are read. */
  readonly bytesPerSecond: number;
  /** Least time between the beginnings of two passes. */
  readonly everyMs: number;
  readonly clock: Clock;
  /** Is called for each piece that was read and hashed, damaged ones included. */
  readonly onChecked: () => void;
  /** Is called for a damaged piece, which is not held any more. */
  readonly onRotten: (infoHash: string, index: PieceIndex) => void;
}

/** Pause after a store failed. */
const RETRY_MS = 10_000;

/** Reads and hashes all held pieces again and again, slowly: a disk may lose bytes that no request reads. */
export class Scrub {
  readonly #options: ScrubOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("the peer stops"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, everyMs } = this.#options;
    while (!this.#stop.signal.aborted) {
      const startedMs = clock.now();
      await this.#pass();
      // At least a second, so that passes over no piece do not follow each other at once.
      await this.#pause(Math.max(1_000, startedMs + everyMs - clock.now()));
    }
  }

  async #pass(): Promise<void> {
    for (const { torrent, store } of [...this.#options.torrents]) {
      // The store was closed meanwhile, or its disk failed: the next pass tries again.
      await this.#scrub(torrent.infoHash, store).catch(() => this.#pause(RETRY_MS));
      if (this.#stop.signal.aborted) return;
    }
  }

  async #scrub(infoHash: string, store: ServedStore): Promise<void> {
    for (const index of [...store.held]) {
      const piece = store.geometry.index(index);
      if (!store.check || !store.held.has(piece)) continue;
      await this.#pause((store.geometry.lengthOf(piece) * 1_000) / this.#options.bytesPerSecond);
      if (this.#stop.signal.aborted) return;
      const whole = await store.check(piece);
      this.#options.onChecked();
      if (!whole) this.#options.onRotten(infoHash, piece);
    }
  }

  #pause(ms: number): Promise<void> {
    return sleep(this.#options.clock, ms, this.#stop.signal).catch(() => {});
  }
}
