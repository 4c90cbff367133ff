import { type BigIntStats, close, constants, fstatSync, lstatSync, openSync } from "node:fs";

/** Open at once, at most, but for files that are being read. */
const MAX_FILES = 32;
/** A file that nobody reads is closed after so long, so that a deleted one gives its space back. */
const IDLE_MS = 2_000;

interface KeptFile {
  readonly descriptor: number;
  /** Device and inode. */
  readonly identity: string;
  /** Reads under way; it is not closed before they end, or they would meet another file's descriptor. */
  uses: number;
  usedAtMs: number;
}

/**
 * Files kept open between one read and the next: to open, look at and close one for every piece costs as much as to
 * send the piece. What is at the path is looked at every time all the same, so a file that was replaced is noticed.
 */
export class KeptFiles {
  /** By path, least recently used first. */
  readonly #files = new Map<string, KeptFile>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** Closes what nobody reads now; what is read is closed behind its last reader, and nothing is kept any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const path of this.#files.keys()) this.#drop(path);
  }

  /** Lets `use` read from the regular file that is at `path` now. Fails with the system's error, also for a link. */
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
    const found = identityOf(lstatSync(path, { bigint: true }));
    const kept = this.#files.get(path);
    if (kept?.identity === found) {
      this.#files.delete(path);
      this.#files.set(path, kept);
      return kept;
    }
    this.#drop(path);
    const [oldest] = this.#files.keys();
    if (oldest !== undefined && this.#files.size >= MAX_FILES) this.#drop(oldest);
    const opened = openRegular(path);
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

function openRegular(path: string): KeptFile {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
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

/** Closes it now if nobody reads it, else leaves that to the last reader. */
function closeIdle({ descriptor, uses }: KeptFile): void {
  if (uses === 0) close(descriptor, () => {});
}
