import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "#core/base/clock.ts";
import { messageOf, PiezaError } from "#core/base/errors.ts";
import { checkFileName, checkName, foldName } from "#core/base/file-name.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import { byKey, type Listing, listingOf } from "./listing.ts";
import { attempt, readStampedTorrent, stampAt } from "./torrent-file.ts";

const EXTENSION = ".json";
/** Files that are read at the same time. */
const FILES_AT_ONCE = 16;
/** Two changes within one tick of the file system's clock get the same time, so a second scan follows after this. */
const SECOND_SCAN_MS = 1_000;

/** A torrent file as it was when it had this stamp. */
export interface TorrentEntry extends Listing {
  readonly file: string;
  readonly stamp: string;
}

/** A JSON file that is not a torrent. */
interface BadEntry {
  readonly file: string;
  readonly stamp: string;
  readonly key: string;
  readonly problem: string;
}

type Entry = TorrentEntry | BadEntry;

/** A file of the directory that is not listed, and the reason. */
export interface BadFile {
  readonly file: string;
  readonly problem: string;
}

/** Selects a torrent by its name, with or without `.json`, or by its info hash. */
export type TorrentKey = { readonly name: string } | { readonly infoHash: string };

/**
 * The torrents in a catalog's directory, which has `<name>.json` for each name. Names that differ only in case or
 * Unicode normal form are the same.
 *
 * Invariant: the index equals the directory as it was when its modification time was `#mtimeNs`. Changes must not
 * overlap; TorrentDirectory makes them one after the other.
 */
export class DirectoryIndex {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #onBadFile: (bad: BadFile) => void;
  #byFile = new Map<string, Entry>();
  /** By the folded name. */
  #byName = new Map<string, Entry>();
  /** The problem of each bad file. */
  #bad = new Map<string, string>();
  /** Sorted by byKey; undefined until it is needed. */
  #sorted: readonly Listing[] | undefined;
  #mtimeNs = -1n;
  #secondScanMs = Number.POSITIVE_INFINITY;

  constructor(directory: string, clock: Clock, onBadFile: (bad: BadFile) => void) {
    this.#directory = directory;
    this.#clock = clock;
    this.#onBadFile = onBadFile;
  }

  get badFiles(): BadFile[] {
    return [...this.#bad].map(([file, problem]) => ({ file, problem }));
  }

  /** Every torrent, sorted by byKey. */
  get sorted(): readonly Listing[] {
    this.#sorted ??= [...this.#byName.values()].filter(isTorrent).sort(byKey);
    return this.#sorted;
  }

  /** The torrent of the key. Throws InvalidField and not_found. */
  find(key: TorrentKey): TorrentEntry {
    return "name" in key ? this.#findName(key.name) : this.#findInfoHash(key.infoHash);
  }

  /** The file for a name and the info hash of its torrent: undefined without a file, "" for a bad one. */
  place(name: string): { file: string; infoHash: string | undefined } {
    const entry = this.#byName.get(foldName(name));
    if (!entry) return { file: `${name}${EXTENSION}`, infoHash: undefined };
    return { file: entry.file, infoHash: isTorrent(entry) ? entry.summary.infoHash : "" };
  }

  /** Whether the directory may differ from the index. */
  async isOutOfDate(): Promise<boolean> {
    return this.#clock.now() >= this.#secondScanMs || (await this.#mtime()) !== this.#mtimeNs;
  }

  /** Reads new and changed files and drops deleted ones. Fails with StoreFailed. */
  async scan(): Promise<void> {
    const mtimeNs = await this.#mtime();
    const names = await attempt("reading the catalog's directory", () => readdir(this.#directory));
    const files = names.filter((file) => file.endsWith(EXTENSION)).sort();
    const found: Entry[] = [];
    for (let at = 0; at < files.length; at += FILES_AT_ONCE) {
      const some = await Promise.all(files.slice(at, at + FILES_AT_ONCE).map((file) => this.#entryOf(file)));
      found.push(...some.filter((entry) => entry !== undefined));
    }
    this.#replaceBy(found);
    const settled = mtimeNs === this.#mtimeNs;
    this.#secondScanMs = settled ? Number.POSITIVE_INFINITY : this.#clock.now() + SECOND_SCAN_MS;
    this.#mtimeNs = mtimeNs;
  }

  /**
   * Reads one file again after the catalog itself has changed it, without a scan of the directory. The second scan
   * finds changes that others made at the same moment.
   */
  async update(file: string): Promise<void> {
    const entry = await this.#entryOf(file);
    this.#byFile.delete(file);
    if (entry) this.#byFile.set(file, entry);
    this.#replaceBy([...this.#byFile.values()]);
    this.#mtimeNs = await this.#mtime();
    this.#secondScanMs = this.#clock.now() + SECOND_SCAN_MS;
  }

  #findName(name: string): TorrentEntry {
    checkFileName(name, "name");
    const stem = name.endsWith(EXTENSION) ? nameOf(name) : name;
    const entry = this.#byName.get(foldName(name)) ?? this.#byName.get(foldName(stem));
    if (entry && isTorrent(entry)) return entry;
    throw new PiezaError("not_found", `the catalog has no torrent with the name ${name}`);
  }

  #findInfoHash(text: string): TorrentEntry {
    const infoHash = parseInfoHash(text);
    for (const entry of this.#byName.values())
      if (isTorrent(entry) && entry.summary.infoHash === infoHash) return entry;
    throw new PiezaError("not_found", `the catalog has no torrent with the info hash ${infoHash}`);
  }

  async #mtime(): Promise<bigint> {
    const stats = await attempt("reading the catalog's directory", () =>
      stat(this.#directory, { bigint: true }),
    );
    return stats.mtimeNs;
  }

  /** The entry of a file, which is read only if its stamp has changed; undefined if the file does not exist. */
  async #entryOf(file: string): Promise<Entry | undefined> {
    const path = join(this.#directory, file);
    const stamp = await stampAt(path);
    const before = this.#byFile.get(file);
    if (stamp === undefined) return undefined;
    if (stamp === before?.stamp) return before;
    try {
      const name = checkName(nameOf(file), "name");
      const stored = await readStampedTorrent(path);
      return stored && { file, stamp: stored.stamp, ...listingOf(name, stored.torrent) };
    } catch (error) {
      return { file, stamp, key: foldName(nameOf(file)), problem: messageOf(error) };
    }
  }

  /** Replaces all entries. Of files whose names differ only in case or normal form, the first one gets the name. */
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
