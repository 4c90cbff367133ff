import { join } from "node:path";
import type { Tracker } from "#core/ports/tracker.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { Reach } from "../../http/client/reach.ts";
import type { PeerOptions } from "../peer.ts";
import { logRottenPiece } from "../rotten-piece.ts";
import { Scrub } from "../serving/scrub.ts";
import type { Lock } from "../stores/lock.ts";
import { ServedTorrents } from "../stores/served-torrents.ts";
import { trackerClient } from "../transports/connect-clients.ts";
import type { OpenTracker } from "../transports/plain-tracker.ts";
import { Volunteer, type VolunteerRules } from "../volunteer/volunteer.ts";
import {
  type AllNews,
  lockRole,
  roleFiles,
  type TrackerAnswers,
  type TrackerNews,
  warnOfRoleFiles,
} from "./role-files.ts";
import { HeardFile, Polling, ToldFile } from "./told-file.ts";

/** `dataDir` belongs to all processes of the peer. `port` is the serving process's. */
export interface ReplicateRoleOptions
  extends Pick<PeerOptions, "dataDir" | "port" | "zone" | "scrub" | "ca" | "log" | "allowNetworks"> {
  readonly volunteer: VolunteerRules;
}

/** Longest interval between writes, so that the announcing process knows that this process runs. */
const SAY_MS = 3_000;

/** The fields of an answer that do not concern copies. */
const NOT_TOLD = { lease: { id: "", secret: "" }, listed: true, notListedReason: "", resend: [] };

/**
 * The replicating part of a peer, as a process: carries out the orders that the announcing process passes on. Only
 * this process writes copies; the serving process reads them.
 */
export class ReplicateRole {
  readonly #volunteer: Volunteer;
  readonly #scrub: Scrub | undefined;
  readonly #copies = new ServedTorrents();
  readonly #answers: HeardFile<TrackerAnswers>;
  readonly #news: ToldFile<AllNews>;
  /** URLs under which trackers list this peer. */
  readonly #own = new Set<string>();
  readonly #trackers = new Map<string, OpenTracker>();
  readonly #said: Record<string, TrackerNews> = {};
  readonly #polling: Polling;
  readonly #options: ReplicateRoleOptions;
  readonly #reach: Reach;
  readonly #lock: Lock;
  #saidAtMs = -Infinity;

  private constructor(options: ReplicateRoleOptions, folder: string, lock: Lock) {
    this.#lock = lock;
    const { ca, log, volunteer, zone, scrub } = options;
    const files = roleFiles(folder);
    this.#options = options;
    this.#reach = new Reach({ allowNetworks: options.allowNetworks });
    const reach = this.#reach;
    this.#volunteer = new Volunteer({ ...volunteer, ca, log, zone, reach, folder: join(folder, "copies") });
    this.#scrub =
      scrub &&
      new Scrub({
        ...scrub,
        torrents: this.#copies,
        clock: nodeClock,
        onChecked: () => {},
        // The serving process learns of it from the store's journal.
        onRotten: (infoHash, index) => logRottenPiece(log, infoHash, index),
      });
    this.#answers = new HeardFile(files.answers);
    this.#news = new ToldFile(files.news);
    this.#polling = new Polling(() => this.#poll(), warnOfRoleFiles(log));
  }

  /** Fails with failed_precondition while another process keeps this peer's copies, and as Volunteer.start does. */
  static async start(options: ReplicateRoleOptions): Promise<ReplicateRole> {
    const folder = join(options.dataDir, `peer-${options.port}`);
    const role = new ReplicateRole(options, folder, lockRole(folder, "replicate"));
    try {
      await role.#start();
      return role;
    } catch (error) {
      await role.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    await this.#volunteer.start({
      // The tracker does not order pieces that the serving process has already announced.
      storeOf: () => undefined,
      isSelf: (url) => this.#own.has(url),
      addCopies: (torrent: Torrent, store) => this.#copies.add(torrent, store, "copies"),
      removeCopies: (infoHash) => this.#copies.remove(infoHash, "copies"),
      changed: () => {},
    });
    this.#scrub?.start();
    await this.#polling.start();
  }

  /** Carries out no more orders; the copies stay. */
  async close(): Promise<void> {
    await this.#polling.stop();
    await this.#scrub?.stop();
    await this.#volunteer.stop();
    for (const tracker of this.#trackers.values()) tracker.close();
    this.#lock.release();
  }

  async #poll(): Promise<void> {
    const answers = await this.#answers.news();
    const due = nodeClock.now() - this.#saidAtMs >= SAY_MS;
    if (answers) this.#hear(answers);
    else if (!due) return;
    this.#saidAtMs = nodeClock.now();
    const trackers = { ...this.#said, "": { heard: 0, news: this.#volunteer.say("") } };
    await this.#news.tell({ atMs: Date.now(), trackers });
  }

  #hear(answers: TrackerAnswers): void {
    for (const { url, number, answer } of Object.values(answers)) {
      if (this.#said[url]?.heard === number) continue;
      this.#own.add(answer.url);
      this.#volunteer.hear(this.#trackerAt(url), { ...NOT_TOLD, ...answer });
      this.#said[url] = { heard: number, news: this.#volunteer.say(url) };
    }
  }

  #trackerAt(url: string): Tracker {
    const tracker =
      this.#trackers.get(url) ?? trackerClient(url, this.#options.ca, this.#reach.lookupOf(url));
    this.#trackers.set(url, tracker);
    return tracker;
  }
}
