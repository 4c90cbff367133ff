import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "#core/base/clock.ts";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import { checkName } from "#core/base/file-name.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { type BadFile, DirectoryIndex, type TorrentEntry, type TorrentKey } from "./directory-index.ts";
import { type ListedPage, type ListQuery, pageOf } from "./listing.ts";
import { RecentTorrents } from "./recent-torrents.ts";
import {
  attempt,
  readTorrentFile,
  removeLeftovers,
  removeTorrentFile,
  stampAt,
  writeTorrentFile,
} from "./torrent-file.ts";

/** A torrent may be replaced by hand while it is read; after so many times the caller may try again itself. */
const READS = 3;

export interface TorrentDirectoryOptions {
  /** Path; made if it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  /** Told once of each file that should be a torrent and is none, and again when something else is wrong with it. */
  readonly onBadFile?: ((bad: BadFile) => void) | undefined;
}

/**
 * The torrents of a catalog, a file for each name. People may put files in, change them and take them out while it
 * runs; every answer is of the directory as it is then. Only summaries stay in memory: a torrent itself is read and
 * checked when it is asked for.
 */
export class TorrentDirectory {
  readonly #directory: string;
  readonly #index: DirectoryIndex;
  readonly #recent = new RecentTorrents();
  /** Resolves when the last change that was begun has ended. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor({ directory, clock, onBadFile }: TorrentDirectoryOptions) {
    this.#directory = directory;
    this.#index = new DirectoryIndex(directory, clock, onBadFile ?? (() => {}));
  }

  /** Reads the whole directory. Bad files are told of and left alone. Fails with StoreFailed. */
  static async open(options: TorrentDirectoryOptions): Promise<TorrentDirectory> {
    await attempt("opening the catalog's directory", async () => {
      await mkdir(options.directory, { recursive: true });
      await removeLeftovers(options.directory);
    });
    const directory = new TorrentDirectory(options);
    await directory.#refresh();
    return directory;
  }

  /** Files that should be torrents and are none, as of the last look. */
  get badFiles(): BadFile[] {
    return this.#index.badFiles;
  }

  /** Fails with InvalidField. */
  async list(query: ListQuery): Promise<ListedPage> {
    await this.#refresh();
    return pageOf(this.#index.sorted, query);
  }

  /** By name, with or without `.json`, or by info hash. Fails with InvalidField and not_found. */
  async get(key: TorrentKey): Promise<{ name: string; torrent: Torrent }> {
    await this.#refresh();
    for (let read = 1; ; read++) {
      const entry = this.#index.find(key);
      const torrent = await this.#read(entry);
      if (torrent) return { name: entry.summary.name, torrent };
      if (read === READS) throw new PiezaError("unavailable", "the torrent is being changed");
      await this.#alone(() => this.#index.scan());
    }
  }

  /**
   * Keeps the torrent under `name` (default: its file name). Resolves when it is on the disk; `changed` is false if the
   * name had this torrent before. Fails with already_exists if the name has another torrent and `replace` is not set,
   * with InvalidField and with StoreFailed.
   */
  publish(
    torrent: Torrent,
    options: { name?: string; replace?: boolean } = {},
  ): Promise<{ name: string; changed: boolean }> {
    return this.#changing(async () => {
      const name = checkName(options.name ?? torrent.fileName, "name");
      const { file, infoHash } = this.#index.place(name);
      const changed = infoHash !== torrent.infoHash;
      if (infoHash !== undefined && changed && !options.replace)
        throw new PiezaError(
          "already_exists",
          `${name} is taken by ${infoHash || "a file that is no torrent"}`,
        );
      await writeTorrentFile(this.#directory, file, torrent);
      await this.#index.update(file);
      return { name: this.#index.find({ name }).summary.name, changed };
    });
  }

  /** Takes the name out, and the torrent with its last name. Fails with InvalidField, not_found and StoreFailed. */
  delete(name: string): Promise<void> {
    return this.#changing(async () => {
      const { file } = this.#index.find({ name });
      await removeTorrentFile(this.#directory, file);
      this.#recent.delete(file);
      await this.#index.update(file);
    });
  }

  /** Undefined if the file is not the one that the entry was made from. */
  async #read({ file, stamp }: TorrentEntry): Promise<Torrent | undefined> {
    const path = join(this.#directory, file);
    if ((await stampAt(path)) !== stamp) return undefined;
    const kept = this.#recent.get(file, stamp);
    if (kept) return kept.torrent;
    const stored = await readTorrentFile(path).catch((error: unknown) => {
      // It was a torrent when it had the stamp, so somebody is writing into it.
      if (error instanceof InvalidField) return undefined;
      throw error;
    });
    if (stored?.stamp !== stamp) return undefined;
    this.#recent.add(file, stored);
    return stored.torrent;
  }

  async #refresh(): Promise<void> {
    // Of many callers that find it out of date, the first looks for all.
    if (await this.#index.isOutOfDate()) await this.#changing(async () => {});
  }

  /** Runs one change after the other, each on an index that is up to date. */
  #changing<T>(work: () => Promise<T>): Promise<T> {
    return this.#alone(async () => {
      if (await this.#index.isOutOfDate()) await this.#index.scan();
      return work();
    });
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => {});
    return turn;
  }
}
