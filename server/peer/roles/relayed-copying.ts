import type { CopiesNews } from "#core/announce/announcer.ts";
import type { Announced, AnnouncedTorrent, PieceRanges, Tracker } from "#core/ports/tracker.ts";
import type { Copying } from "../announcing/announcing.ts";
import type { AllNews, HeldTorrent, TrackerAnswer, TrackerAnswers, TrackerNews } from "./role-files.ts";
import { roleFiles } from "./role-files.ts";
import { HeardFile, ToldFile } from "./told-file.ts";

/** The replicating process counts as stopped when it has written nothing for this time. */
const SILENT_MS = 15_000;
/** By then the replicating process has dropped the granted pieces, or keeps them after all. */
const DROPPED_MS = 5_000;

const NO_NEWS: TrackerNews = { heard: 0, news: {} };

/** A granted drop that may not have happened yet. */
interface Grant {
  readonly pieces: PieceRanges;
  readonly answer: number;
  heardAtMs: number;
}

/**
 * Passes trackers' answers from the announcing process to the replicating process, and its news back. Invariant: a
 * tracker counts granted pieces as gone, so they are not announced again before the replicating process has read the
 * grant and had time to drop them. Otherwise two peers could each believe that the other has the last copy.
 */
export class RelayedCopying implements Copying {
  readonly #answersFile: ToldFile<TrackerAnswers>;
  readonly #oldAnswers: HeardFile<TrackerAnswers>;
  readonly #newsFile: HeardFile<AllNews>;
  readonly #onError: (error: unknown) => void;
  readonly #onGranted: () => void;
  readonly #now: () => number;
  /** By the tracker's URL. */
  readonly #answers = new Map<string, TrackerAnswer>();
  #grants: Grant[] = [];
  #news: AllNews = { atMs: 0, trackers: {} };
  #number = 0;

  /** `onGranted` is called when the result of `announced` has changed. `wallNow` gives wall-clock milliseconds. */
  constructor(
    folder: string,
    onError: (error: unknown) => void,
    onGranted: () => void,
    wallNow: () => number = Date.now,
  ) {
    const files = roleFiles(folder);
    this.#answersFile = new ToldFile(files.answers);
    this.#oldAnswers = new HeardFile(files.answers);
    this.#newsFile = new HeardFile(files.news);
    this.#onError = onError;
    this.#onGranted = onGranted;
    this.#now = wallNow;
  }

  /** Restores the grants of an earlier run. Call before the first announce. */
  async start(): Promise<void> {
    const old = (await this.#oldAnswers.news()) ?? {};
    for (const answer of Object.values(old)) {
      this.#answers.set(answer.url, answer);
      this.#number = Math.max(this.#number, answer.number);
      this.#noteGrants(answer);
    }
    await this.readNews();
  }

  /** Reads the news of the replicating process. */
  async readNews(): Promise<void> {
    this.#news = (await this.#newsFile.news()) ?? this.#news;
    const heardOf = Math.max(0, ...Object.values(this.#news.trackers).map((tracker) => tracker.heard));
    for (const grant of this.#grants) if (grant.answer <= heardOf) grant.heardAtMs ||= this.#now();
    this.#grants = this.#grants.filter(
      ({ heardAtMs }) => heardAtMs === 0 || this.#now() - heardAtMs < DROPPED_MS,
    );
  }

  /** Drops and declined orders are sent once, with the announce after the answer that they respond to. */
  say(trackerUrl: string): CopiesNews {
    if (this.#now() - this.#news.atMs > SILENT_MS) return {};
    const { heard, news } = this.#news.trackers[trackerUrl] ?? this.#news.trackers[""] ?? NO_NEWS;
    const current = heard === (this.#answers.get(trackerUrl)?.number ?? 0);
    return current ? news : { volunteer: news.volunteer };
  }

  hear(tracker: Tracker, answered: Announced): void {
    const { trackerId, url, nextAnnounceMs, orders, grants, lastCopies } = answered;
    const answer = { trackerId, url, nextAnnounceMs, orders, grants, lastCopies };
    const told = { url: tracker.url, number: ++this.#number, answer };
    this.#answers.set(tracker.url, told);
    this.#noteGrants(told);
    if (answered.grants?.length) this.#onGranted();
    this.#tell().catch(this.#onError);
  }

  /** The torrent to announce: what is served, without the pieces whose drop was granted. */
  announced(torrent: HeldTorrent): AnnouncedTorrent {
    const grants = this.#grants.filter(({ pieces }) => pieces.infoHash === torrent.infoHash);
    if (grants.length === 0) return torrent;
    const bitfield = torrent.bitfield.clone();
    for (const { first, last } of grants.flatMap(({ pieces }) => pieces.ranges)) {
      for (let index = first; index <= Math.min(last, bitfield.size - 1); index++) bitfield.clear(index);
    }
    return { ...torrent, bitfield };
  }

  /** Granted drops that may not have happened yet; `announced` leaves them out. */
  get grantCount(): number {
    return this.#grants.length;
  }

  async stop(): Promise<void> {
    await this.#tell().catch(this.#onError);
  }

  #tell(): Promise<void> {
    return this.#answersFile.tell(Object.fromEntries(this.#answers));
  }

  #noteGrants({ answer, number }: TrackerAnswer): void {
    for (const pieces of answer.grants ?? []) this.#grants.push({ pieces, answer: number, heardAtMs: 0 });
  }
}
