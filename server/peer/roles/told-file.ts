import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "#core/base/clock.ts";
import { codeOf } from "../stores/disk.ts";

/** Interval at which files of other processes are checked for changes. */
export const LOOK_MS = 250;

/**
 * A small JSON file that one process of a peer writes for another. It is replaced as a whole, and only this user may
 * read it. A value that comes during a write replaces the value that waits.
 */
export class ToldFile<T> {
  readonly #path: string;
  #waiting: { readonly value: T } | undefined;
  #writing: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves when this value, or a newer one, is in the file. */
  tell(value: T): Promise<void> {
    this.#waiting = { value };
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async forget(): Promise<void> {
    this.#waiting = undefined;
    await this.#writing?.catch(() => {});
    await rm(this.#path, { force: true });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting) {
      const { value } = this.#waiting;
      this.#waiting = undefined;
      await writeWhole(this.#path, `${JSON.stringify(value)}\n`);
    }
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.new`;
  await writeFile(fresh, text, { mode: 0o600 });
  await rename(fresh, path);
}

/** Reads a told file when it has changed. A file for which `parse` throws is ignored. */
export class HeardFile<T> {
  readonly #path: string;
  readonly #parse: (value: unknown) => T;
  #stamp = "";

  constructor(path: string, parse: (value: unknown) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  /** The content if it is new since the last call; "gone" if the file was removed since then. */
  async news(): Promise<{ readonly value: T } | "gone" | undefined> {
    const found = await stat(this.#path, { bigint: true }).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error;
    });
    const stamp = found ? `${found.ino} ${found.mtimeNs} ${found.size}` : "";
    if (stamp === this.#stamp) return undefined;
    this.#stamp = stamp;
    if (!found) return "gone";
    const text = await readFile(this.#path, "utf8");
    try {
      return { value: this.#parse(JSON.parse(text)) };
    } catch {
      return undefined;
    }
  }
}

/** Calls `look` repeatedly, with a pause after each call, until stopped. Its errors go to `onError`. */
export class Looking {
  readonly #clock: Clock;
  readonly #look: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #cancel = () => {};
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(clock: Clock, look: () => Promise<void>, onError: (error: unknown) => void = () => {}) {
    this.#clock = clock;
    this.#look = look;
    this.#onError = onError;
  }

  /** Resolves after the first call. */
  start(): Promise<void> {
    this.#running = this.#run();
    return this.#running;
  }

  /** Resolves when the call in progress has ended; no call follows. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.#look();
    } catch (error) {
      this.#onError(error);
    }
    if (this.#stopped) return;
    this.#cancel = this.#clock.after(LOOK_MS, () => {
      this.#running = this.#run();
    });
  }
}
