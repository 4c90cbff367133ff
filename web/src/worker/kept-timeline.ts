import type { DownloadSnapshot, DownloadState } from "#core/download/snapshot.ts";
import type { EarlierRun } from "../base/messages.ts";
import { keptEntryOf, Timeline } from "../base/timeline.ts";
import type { KeptDownload } from "./kept-downloads.ts";

/** Longest time between two writes. A crash loses this much of the timeline; a change of state is written at once. */
const KEEP_EVERY_MS = 2_000;
/** Entries of all runs together. The oldest are dropped. */
const MAX_ENTRIES = 300;

/** Records the timeline of one run and stores it with those of the runs before. */
export class KeptTimeline {
  readonly #kept: KeptDownload | undefined;
  readonly #earlier: readonly EarlierRun[];
  readonly #timeline = new Timeline();
  readonly #startedAtMs = Date.now();
  #state: DownloadState | undefined;
  #keptAtMs = 0;
  /** Writes one after the other, because two could not have the file open. */
  #writing: Promise<void> = Promise.resolve();

  /** `kept`: the folder to store it in; undefined without storage. */
  constructor(kept: KeptDownload | undefined, earlier: readonly EarlierRun[]) {
    this.#kept = kept;
    this.#earlier = earlier;
  }

  add(snapshot: DownloadSnapshot): void {
    this.#timeline.add(snapshot);
    const now = Date.now();
    if (snapshot.state === this.#state && now < this.#keptAtMs + KEEP_EVERY_MS) return;
    this.#state = snapshot.state;
    this.#keptAtMs = now;
    this.#keep();
  }

  /** Stores the timeline a last time. Resolves with all runs, this one last. */
  async close(): Promise<readonly EarlierRun[]> {
    this.#keep();
    await this.#writing;
    return this.#runs();
  }

  #keep(): void {
    const kept = this.#kept;
    if (!kept) return;
    const runs = this.#runs();
    // A full storage loses the timeline, not the download.
    this.#writing = this.#writing.then(() => kept.setTimeline(runs)).catch(() => undefined);
  }

  #runs(): readonly EarlierRun[] {
    const runs = [
      ...this.#earlier,
      { startedAtMs: this.#startedAtMs, entries: this.#timeline.entries.map(keptEntryOf) },
    ];
    let room = MAX_ENTRIES;
    const newestFirst = runs.reverse().map(({ startedAtMs, entries }) => {
      const fitting = room > 0 ? entries.slice(-room) : [];
      room -= fitting.length;
      return { startedAtMs, entries: fitting };
    });
    return newestFirst.filter(({ entries }) => entries.length > 0).reverse();
  }
}
