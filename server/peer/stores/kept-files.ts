import { type BigIntStats, close, constants, fstatSync, lstatSync, openSync, statSync } from "node:fs";
import { beneath } from "./beneath.ts";

/** Files kept open at once. Files that are being read do not count. */
const MAX_FILES = 32;
/** A file without reads is closed after this time, so that a deleted file gives its space back. */
const IDLE_MS = 2_000;

interface KeptFile {
  readonly descriptor: number;
  /** Device and inode. */
  readonly identity: string;
  /** Reads in progress. A file closed during a read could have its descriptor reused for another file. */
  uses: number;
  usedAtMs: number;
}

/**
 * Keeps the files of a folder open between reads, because opening and closing one costs as much as sending a piece. The
 * path is still checked before every read, so a replaced file is noticed.
 */
export class KeptFiles {
  readonly #root: string;
  /** By path, in order of last use. */
  readonly #files = new Map<string, KeptFile>();
  readonly #followLinks: boolean;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `root`: the real path of the folder, or of the only file. */
  constructor(root: string, followLinks = false) {
    this.#root = root;
    this.#followLinks = followLinks;
  }

  /** Closes every file without reads now, and the others after their last read. Files opened later are not kept. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const path of this.#files.keys()) this.#drop(path);
  }

  /**
   * Calls `use` with a descriptor of the regular file now at `path` in the folder, "" for the only file. Fails with the
   * system's error, and for a link, also in the place of a folder, unless links are followed.
   */
  async with<T>(path: string, use: (descriptor: number) => Promise<T>): Promise<T> {
    const file = this.#take(path);
    file.uses++;
    try {
      return await use(file.descriptor);
    } finally {
      file.uses--;
      file.usedAtMs = performance.now();
      if (this.#files.get(path) !== file) closeIdle(file);
      if (this.#closed) this.#drop(path);
      else this.#timer ??= setTimeout(() => this.#sweep(), IDLE_MS).unref();
    }
  }

  #take(path: string): KeptFile {
    const full = path === "" ? this.#root : `${this.#root}/${path}`;
    const found = identityOf((this.#followLinks ? statSync : lstatSync)(full, { bigint: true }));
    const kept = this.#files.get(path);
    if (kept?.identity === found) {
      this.#files.delete(path);
      this.#files.set(path, kept);
      return kept;
    }
    this.#drop(path);
    const [oldest] = this.#files.keys();
    if (oldest !== undefined && this.#files.size >= MAX_FILES) this.#drop(oldest);
    const open = (at: string) => openRegular(at, this.#followLinks);
    const opened = this.#followLinks || path === "" ? open(full) : beneath(this.#root, path, open);
    this.#files.set(path, opened);
    return opened;
  }

  #drop(path: string): void {
    const file = this.#files.get(path);
    this.#files.delete(path);
    if (file) closeIdle(file);
  }

  #sweep(): void {
    this.#timer = undefined;
    const before = performance.now() - IDLE_MS;
    for (const [path, { uses, usedAtMs }] of this.#files)
      if (uses === 0 && usedAtMs <= before) this.#drop(path);
    if (this.#files.size > 0) this.#timer = setTimeout(() => this.#sweep(), IDLE_MS).unref();
  }
}

function openRegular(path: string, followLinks: boolean): KeptFile {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  const flags = O_RDONLY | O_NONBLOCK | (followLinks ? 0 : O_NOFOLLOW);
  const descriptor = openSync(path, flags);
  const facts = fstatSync(descriptor, { bigint: true });
  const file = { descriptor, identity: identityOf(facts), uses: 0, usedAtMs: 0 };
  if (facts.isFile()) return file;
  closeIdle(file);
  throw new Error("not a regular file");
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** Closes a file without reads. Otherwise the last read closes it. */
function closeIdle({ descriptor, uses }: KeptFile): void {
  if (uses === 0) close(descriptor, () => {});
}
