import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "#core/base/clock.ts";
import { messageOf, PiezaError } from "#core/base/errors.ts";
import { checkFileName, checkName, foldName } from "#core/base/file-name.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import { byKey, type Listing, listingOf } from "./listing.ts";
import { attempt, readTorrentFile, stampAt } from "./torrent-file.ts";

const EXTENSION = ".json";
/** Files looked at in one go. */
const FILES_AT_ONCE = 16;
/** Two changes within one tick of a file system's clock look like one; a second look after this time sees both. */
const SECOND_LOOK_MS = 1_000;

/** A file that is a torrent, as it was when it had the stamp. */
export interface TorrentEntry extends Listing {
  readonly file: string;
  readonly stamp: string;
}

/** A file that should be a torrent and is none. */
interface BadEntry {
  readonly file: string;
  readonly stamp: string;
  readonly key: string;
  readonly problem: string;
}

type Entry = TorrentEntry | BadEntry;

/** What is wrong with a file of the directory. */
export interface BadFile {
  readonly file: string;
  readonly problem: string;
}

/** Which torrent is meant: a name, with or without `.json`, or an info hash. */
export type TorrentKey = { readonly name: string } | { readonly infoHash: string };

/**
 * What is in a catalog's directory: `<name>.json` for each name. Case and normal form of a name do not count.
 *
 * Invariant: the index is the directory as it was when its modification time was `#mtimeNs`. It is not for two changes
 * at a time; TorrentDirectory sees to that.
 */
export class DirectoryIndex {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #onBadFile: (bad: BadFile) => void;
  #byFile = new Map<string, Entry>();
  /** By key. */
  #byName = new Map<string, Entry>();
  /** What is wrong, by file. */
  #bad = new Map<string, string>();
  /** In the order of byKey; undefined until asked for. */
  #sorted: readonly Listing[] | undefined;
  #mtimeNs = -1n;
  #secondLookAt = Number.POSITIVE_INFINITY;

  constructor(directory: string, clock: Clock, onBadFile: (bad: BadFile) => void) {
    this.#directory = directory;
    this.#clock = clock;
    this.#onBadFile = onBadFile;
  }

  get badFiles(): BadFile[] {
    return [...this.#bad].map(([file, problem]) => ({ file, problem }));
  }

  /** Every torrent, in the order of byKey. */
  get sorted(): readonly Listing[] {
    this.#sorted ??= [...this.#byName.values()].filter(isTorrent).sort(byKey);
    return this.#sorted;
  }

  /** Fails with InvalidField and not_found. */
  find(key: TorrentKey): TorrentEntry {
    return "name" in key ? this.#findName(key.name) : this.#findInfoHash(key.infoHash);
  }

  /** The file that has or would have the name, and the info hash in it: undefined without one, "" for a bad file. */
  place(name: string): { file: string; infoHash: string | undefined } {
    const entry = this.#byName.get(foldName(name));
    if (!entry) return { file: `${name}${EXTENSION}`, infoHash: undefined };
    return { file: entry.file, infoHash: isTorrent(entry) ? entry.summary.infoHash : "" };
  }

  /** True if the directory may hold something else than the index. */
  async isOutOfDate(): Promise<boolean> {
    return this.#clock.now() >= this.#secondLookAt || (await this.#mtime()) !== this.#mtimeNs;
  }

  /** Reads what is new or changed and forgets what is gone. Fails with StoreFailed. */
  async scan(): Promise<void> {
    const mtimeNs = await this.#mtime();
    const names = await attempt("reading the catalog's directory", () => readdir(this.#directory));
    const files = names.filter((file) => file.endsWith(EXTENSION) && !file.startsWith(".")).sort();
    const found: Entry[] = [];
    for (let at = 0; at < files.length; at += FILES_AT_ONCE) {
      const some = await Promise.all(files.slice(at, at + FILES_AT_ONCE).map((file) => this.#look(file)));
      found.push(...some.filter((entry) => entry !== undefined));
    }
    this.#replaceBy(found);
    const settled = mtimeNs === this.#mtimeNs;
    this.#secondLookAt = settled ? Number.POSITIVE_INFINITY : this.#clock.now() + SECOND_LOOK_MS;
    this.#mtimeNs = mtimeNs;
  }

  /**
   * Reads one file again after our own change of it, without a look at all the others. What others did in the same
   * moment the second look will see.
   */
  async update(file: string): Promise<void> {
    const entry = await this.#look(file);
    this.#byFile.delete(file);
    if (entry) this.#byFile.set(file, entry);
    this.#replaceBy([...this.#byFile.values()]);
    this.#mtimeNs = await this.#mtime();
    this.#secondLookAt = this.#clock.now() + SECOND_LOOK_MS;
  }

  #findName(name: string): TorrentEntry {
    checkFileName(name, "name");
    const stem = name.endsWith(EXTENSION) ? nameOf(name) : name;
    const entry = this.#byName.get(foldName(name)) ?? this.#byName.get(foldName(stem));
    if (entry && isTorrent(entry)) return entry;
    throw new PiezaError("not_found", `the catalog has no torrent of the name ${name}`);
  }

  #findInfoHash(text: string): TorrentEntry {
    const infoHash = parseInfoHash(text);
    for (const entry of this.#byName.values())
      if (isTorrent(entry) && entry.summary.infoHash === infoHash) return entry;
    throw new PiezaError("not_found", `the catalog has no torrent with the info hash ${infoHash}`);
  }

  async #mtime(): Promise<bigint> {
    const stats = await attempt("looking at the catalog's directory", () =>
      stat(this.#directory, { bigint: true }),
    );
    return stats.mtimeNs;
  }

  /** The entry of a file, read only if it is another than before; undefined if it is gone. */
  async #look(file: string): Promise<Entry | undefined> {
    const path = join(this.#directory, file);
    const stamp = await stampAt(path);
    const before = this.#byFile.get(file);
    if (stamp === undefined) return undefined;
    if (stamp === before?.stamp) return before;
    try {
      const name = checkName(nameOf(file), "name");
      const stored = await readTorrentFile(path);
      return stored && { file, stamp: stored.stamp, ...listingOf(name, stored.torrent) };
    } catch (error) {
      return { file, stamp, key: foldName(nameOf(file)), problem: messageOf(error) };
    }
  }

  /** Of files whose names differ in case or normal form only, the first keeps the name. */
  #replaceBy(found: readonly Entry[]): void {
    const bad = new Map<string, string>();
    this.#byFile = new Map(found.map((entry) => [entry.file, entry]));
    this.#byName = new Map();
    for (const entry of found) {
      const first = this.#byName.get(entry.key);
      if (first) bad.set(entry.file, `has the same name as ${first.file}`);
      else if (!isTorrent(entry)) bad.set(entry.file, entry.problem);
      if (!first) this.#byName.set(entry.key, entry);
    }
    for (const [file, problem] of bad)
      if (this.#bad.get(file) !== problem) this.#onBadFile({ file, problem });
    this.#bad = bad;
    this.#sorted = undefined;
  }
}

function isTorrent(entry: Entry): entry is TorrentEntry {
  return "summary" in entry;
}

function nameOf(file: string): string {
  return file.slice(0, -EXTENSION.length);
}
