import type { DownloadSnapshot, DownloadState } from "#core/download/snapshot.ts";
import type { EarlierRun } from "../base/messages.ts";
import { keptEntryOf, Timeline } from "../base/timeline.ts";
import type { KeptDownload } from "./kept-downloads.ts";

/** How old what is kept may be: a crash loses so much of the story, a change of state is kept at once. */
const KEEP_EVERY_MS = 2_000;
/** Of all runs together; the oldest are dropped. */
const MAX_ENTRIES = 300;

/** What happened in one run of a download, kept beside those before it. */
export class KeptTimeline {
  readonly #kept: KeptDownload | undefined;
  readonly #earlier: readonly EarlierRun[];
  readonly #timeline = new Timeline();
  readonly #startedAtMs = Date.now();
  #state: DownloadState | undefined;
  #keptAtMs = 0;
  /** One after the other: two could not have the file open. */
  #writing: Promise<void> = Promise.resolve();

  /** `kept`: where; undefined where nothing can be. */
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

  /** Resolves with all runs, this one the last, when they are kept. */
  async close(): Promise<readonly EarlierRun[]> {
    this.#keep();
    await this.#writing;
    return this.#runs();
  }

  #keep(): void {
    const kept = this.#kept;
    if (!kept) return;
    const runs = this.#runs();
    // A story is not worth a download: without room for it, it is not kept.
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
