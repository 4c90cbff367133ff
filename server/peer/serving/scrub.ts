import { type Clock, sleep } from "#core/base/clock.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { ServedStore, ServedTorrent } from "../stores/served-torrents.ts";

export interface ScrubOptions {
  /** Live: what is served. */
  readonly torrents: Iterable<ServedTorrent>;
  /** How fast held pieces are read. */
  readonly bytesPerSecond: number;
  /** A pass over everything begins no sooner than so long after the one before began. */
  readonly everyMs: number;
  readonly clock: Clock;
  /** A piece was read and hashed, whatever came of it. */
  readonly onChecked: () => void;
  /** The piece is not held any more. */
  readonly onRotten: (infoHash: string, index: PieceIndex) => void;
}

/** Disks that fail are looked at again after so long. */
const RETRY_MS = 10_000;

/** Hashes what is held again, slowly, over and over: a disk may forget what nobody asks it for. */
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
      // At least a moment, so that a pass over nothing does not spin.
      await this.#pause(Math.max(1_000, startedMs + everyMs - clock.now()));
    }
  }

  async #pass(): Promise<void> {
    for (const { torrent, store } of [...this.#options.torrents]) {
      // Closed meanwhile, or gone from the disk: the next pass will tell.
      await this.#look(torrent.infoHash, store).catch(() => this.#pause(RETRY_MS));
      if (this.#stop.signal.aborted) return;
    }
  }

  async #look(infoHash: string, store: ServedStore): Promise<void> {
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
