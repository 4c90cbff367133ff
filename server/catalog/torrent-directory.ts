import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { LRUCache } from "lru-cache";
import type { Clock } from "#core/base/clock.ts";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import { checkName } from "#core/base/file-name.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { type BadFile, DirectoryIndex, type TorrentEntry, type TorrentKey } from "./directory-index.ts";
import { type ListedPage, type ListQuery, pageOf } from "./listing.ts";
import {
  attempt,
  readStampedTorrent,
  removeLeftovers,
  removeTorrentFile,
  type StampedTorrent,
  stampAt,
  writeTorrentFile,
} from "./torrent-file.ts";

/** Attempts to read a torrent whose file is being changed, before the caller has to try again. */
const READS = 3;
/** The most pieces of all torrents in memory, about 30 MB of hashes. */
const MAX_PIECES_KEPT = 262_144;

export interface TorrentDirectoryOptions {
  /** Path; created if it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  /** Called once for each bad file, and again when its problem changes. */
  readonly onBadFile?: ((bad: BadFile) => void) | undefined;
}

/**
 * The torrents of a catalog, a file for each name. People may add, change and delete files while the catalog runs;
 * every answer reflects the directory at that moment. Memory holds the summaries of all torrents, and whole torrents
 * only if they were requested recently.
 */
export class TorrentDirectory {
  readonly #directory: string;
  readonly #index: DirectoryIndex;
  /** By file. Without them, a crowd at one torrent would make the catalog read and hash its file for each request. */
  readonly #recent = new LRUCache<string, StampedTorrent>({
    maxSize: MAX_PIECES_KEPT,
    sizeCalculation: ({ torrent }) => Math.max(1, torrent.pieces.length),
  });
  /** Resolves when the last change in the queue has ended. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor({ directory, clock, onBadFile }: TorrentDirectoryOptions) {
    this.#directory = directory;
    this.#index = new DirectoryIndex(directory, clock, onBadFile ?? (() => {}));
  }

  /** Reads the whole directory. Bad files are reported and skipped. Fails with StoreFailed. */
  static async open(options: TorrentDirectoryOptions): Promise<TorrentDirectory> {
    await attempt("opening the catalog's directory", async () => {
      await mkdir(options.directory, { recursive: true });
      await removeLeftovers(options.directory);
    });
    const directory = new TorrentDirectory(options);
    await directory.#refresh();
    return directory;
  }

  /** The files that the last scan could not list. */
  get badFiles(): BadFile[] {
    return this.#index.badFiles;
  }

  /** One page of the list. Fails with InvalidField. */
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
      if (read === READS) throw new PiezaError("unavailable", "the torrent is being changed; try again");
      await this.#alone(() => this.#index.scan());
    }
  }

  /**
   * Stores the torrent under `name` (default: its file name). Resolves when it is on disk; `changed` is false if the
   * name already had this torrent. Fails with already_exists if the name has another torrent and `replace` is not
   * set, with InvalidField and with StoreFailed.
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
          `${name} is taken by ${infoHash || "a file that is not a torrent"}`,
        );
      await writeTorrentFile(this.#directory, file, torrent);
      await this.#index.update(file);
      return { name: this.#index.find({ name }).summary.name, changed };
    });
  }

  /** Deletes the file of this name. Fails with InvalidField, not_found and StoreFailed. */
  delete(name: string): Promise<void> {
    return this.#changing(async () => {
      const { file } = this.#index.find({ name });
      await removeTorrentFile(this.#directory, file);
      this.#recent.delete(file);
      await this.#index.update(file);
    });
  }

  /** The torrent of an entry; undefined if the file has changed since. */
  async #read({ file, stamp }: TorrentEntry): Promise<Torrent | undefined> {
    const path = join(this.#directory, file);
    if ((await stampAt(path)) !== stamp) return undefined;
    const kept = this.#recent.get(file);
    if (kept?.stamp === stamp) return kept.torrent;
    const stored = await readStampedTorrent(path).catch((error: unknown) => {
      // The file with this stamp was a torrent, so someone is writing to it.
      if (error instanceof InvalidField) return undefined;
      throw error;
    });
    if (stored?.stamp !== stamp) return undefined;
    this.#recent.set(file, stored);
    return stored.torrent;
  }

  async #refresh(): Promise<void> {
    // Of several callers that find the index out of date, the first one scans for all.
    if (await this.#index.isOutOfDate()) await this.#changing(async () => {});
  }

  /** Runs changes one after the other, each on an up-to-date index. */
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
