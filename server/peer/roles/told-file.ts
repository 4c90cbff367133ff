import { readFile, rm, stat } from "node:fs/promises";
import { nodeClock } from "../../base/node-clock.ts";
import { replaceFile } from "../../base/replace-file.ts";
import { ignoreMissing } from "../stores/disk.ts";

/** Version of the content of these files. A file of another version is ignored. */
const VERSION = 1;
/** Interval at which files of other processes are checked for changes. */
export const FILE_POLL_MS = 250;

/** A JSON file from one process of a peer to another, for this user only, replaced as a whole. Has one writer. */
export class ToldFile<T extends object> {
  readonly #path: string;
  #waiting: object | undefined;
  #writing: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves when this value, or a newer one, is in the file. */
  tell(value: T): Promise<void> {
    this.#waiting = { version: VERSION, ...value };
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
      const text = `${JSON.stringify(this.#waiting)}\n`;
      this.#waiting = undefined;
      await replaceFile(this.#path, text, 0o600);
    }
  }
}

/** Reads a told file when it has changed. Both processes run the same program, so the content is not checked. */
export class HeardFile<T> {
  readonly #path: string;
  readonly #parse: (content: unknown) => T;
  #stamp = "";

  constructor(path: string, parse = (content: unknown) => content as T) {
    this.#path = path;
    this.#parse = parse;
  }

  /** The content if it has changed since the last call; otherwise, or if `parse` throws, undefined. */
  async news(): Promise<T | undefined> {
    const found = await stat(this.#path, { bigint: true }).catch(ignoreMissing);
    const stamp = found ? `${found.ino} ${found.mtimeNs} ${found.size}` : "";
    if (stamp === this.#stamp) return undefined;
    this.#stamp = stamp;
    if (!found) return undefined;
    const text = await readFile(this.#path, "utf8");
    try {
      const { version, ...content } = JSON.parse(text);
      return version === VERSION ? this.#parse(content) : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Calls `poll` repeatedly, with a pause after each call, until stopped. Its errors go to `onError`. */
export class Polling {
  readonly #poll: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #cancel = () => {};
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(poll: () => Promise<void>, onError: (error: unknown) => void) {
    this.#poll = poll;
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
      await this.#poll();
    } catch (error) {
      this.#onError(error);
    }
    if (this.#stopped) return;
    this.#cancel = nodeClock.after(FILE_POLL_MS, () => {
      this.#running = this.#run();
    });
  }
}
