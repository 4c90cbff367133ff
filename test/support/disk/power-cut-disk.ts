import type { Random } from "#core/base/clock.ts";
import { StoreFailed } from "#core/base/errors.ts";
import type { Disk, FileFacts } from "../../../server/peer/stores/disk.ts";

/** A write or a change of size that the disk may not have yet. */
type Change = { readonly at: number; readonly bytes: Uint8Array } | { readonly size: number };

class Inode {
  readonly id: number;
  bytes = new Uint8Array(0);
  /** What a power cut leaves for certain. */
  safe = new Uint8Array(0);
  unsafe: Change[] = [];
  #synced = 0;

  constructor(id: number) {
    this.id = id;
  }

  change(change: Change): void {
    this.unsafe.push(change);
    this.bytes = changed(this.bytes, change);
  }

  /** Changes ever made. */
  get changes(): number {
    return this.#synced + this.unsafe.length;
  }

  /** The first so many of all changes are on the disk. */
  sync(changes = this.changes): void {
    for (; this.#synced < changes && this.unsafe.length > 0; this.#synced++) {
      this.safe = changed(this.safe, this.unsafe.shift()!);
    }
  }

  /**
   * As Linux does when it could not write: what was to be flushed is still read, and no later flush will try it again.
   */
  failSync(): void {
    this.#synced = this.changes;
    this.unsafe = [];
  }

  /** Any of the unsafe changes may have reached the disk, in any order, and one of them in part. */
  cutPower(random: Random): void {
    for (const change of this.unsafe.toSorted(() => random() - 0.5)) {
      if (random() < 0.5) continue;
      const torn = "bytes" in change && random() < 0.3;
      this.safe = changed(this.safe, torn ? { ...change, bytes: half(change.bytes, random) } : change);
    }
    this.bytes = this.safe.slice();
    this.#synced = this.changes;
    this.unsafe = [];
  }
}

/** A disk in memory that loses power: what was not flushed is then there in part, or not. Files only, no folders. */
export class PowerCutDisk implements Disk {
  /** Calls that still work; every one after that fails, as on a machine that is off. */
  callsLeft = Number.POSITIVE_INFINITY;
  /** The next flush of a file of this name fails. */
  failsToSync: string | undefined;
  #names = new Map<string, Inode>();
  #safeNames = new Map<string, Inode>();
  #unsafeNames: ((names: Map<string, Inode>) => void)[] = [];
  readonly #open = new Map<number, Inode>();
  #ids = 0;

  /** Names come back in the order in which they were given, as many as were written down. */
  cutPower(random: Random): void {
    const kept = this.#unsafeNames.slice(0, Math.floor(random() * (this.#unsafeNames.length + 1)));
    for (const apply of kept) apply(this.#safeNames);
    this.#names = new Map(this.#safeNames);
    this.#unsafeNames = [];
    this.#open.clear();
    for (const inode of new Set(this.#names.values())) inode.cutPower(random);
    this.callsLeft = Number.POSITIVE_INFINITY;
  }

  /** The process ends, the machine does not: all that was written is there, though no safer than before. */
  kill(): void {
    this.#open.clear();
    this.callsLeft = Number.POSITIVE_INFINITY;
  }

  open(path: string, mode: "create" | "update" | "read"): number {
    this.#step();
    const found = this.#names.get(path);
    if (mode === "create" ? found : !found) throw new StoreFailed(`opening ${path} failed`);
    const inode = found ?? new Inode(++this.#ids);
    if (!found) this.#name((names) => names.set(path, inode));
    this.#open.set(++this.#ids, inode);
    return this.#ids;
  }

  beneath<T>(): T {
    throw new Error("this disk has no folders");
  }

  close(file: number): void {
    this.#open.delete(file);
  }

  look(path: string): FileFacts | undefined {
    this.#step();
    const inode = this.#names.get(path);
    const size = inode?.bytes.length ?? 0;
    return inode && { kind: "file", size, allocatedBytes: size, identity: String(inode.id) };
  }

  write(file: number, bytes: Uint8Array, position: number): void {
    this.#step();
    this.#inode(file).change({ at: position, bytes: new Uint8Array(bytes) });
  }

  async read(file: number, into: Uint8Array, position: number): Promise<number> {
    this.#step();
    const run = this.#inode(file).bytes.subarray(position, position + into.length);
    into.set(run);
    return run.length;
  }

  truncate(file: number, size: number): void {
    this.#step();
    this.#inode(file).change({ size });
  }

  async sync(file: number): Promise<void> {
    this.startSync(file)();
  }

  /** A flush that takes time: what was written before this call is safe after the call of what it returns. */
  startSync(file: number): () => void {
    this.#step();
    const inode = this.#inode(file);
    if (this.failsToSync !== undefined && inode === this.#names.get(this.failsToSync)) {
      this.failsToSync = undefined;
      inode.failSync();
      throw new StoreFailed("flushing to the disk failed: the disk has an error");
    }
    const { changes } = inode;
    return () => inode.sync(changes);
  }

  async syncFolder(): Promise<void> {
    this.#step();
    this.#safeNames = new Map(this.#names);
    this.#unsafeNames = [];
  }

  makeFolder(): void {
    throw new Error("this disk has no folders");
  }

  link(from: string, to: string): boolean {
    this.#step();
    const inode = this.#names.get(from)!;
    if (this.#names.has(to)) return false;
    this.#name((names) => names.set(to, inode));
    return true;
  }

  rename(from: string, to: string): void {
    this.#step();
    const inode = this.#names.get(from)!;
    this.#name((names) => names.set(to, inode).delete(from));
  }

  remove(path: string): void {
    this.#step();
    if (this.#names.has(path)) this.#name((names) => names.delete(path));
  }

  freeBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** The bytes under a name, or undefined. */
  content(path: string): Uint8Array | undefined {
    return this.#names.get(path)?.bytes;
  }

  /** Those of them that a power cut would leave for certain, if the name stays. */
  safeContent(path: string): Uint8Array | undefined {
    return this.#names.get(path)?.safe;
  }

  get names(): string[] {
    return [...this.#names.keys()];
  }

  #name(apply: (names: Map<string, Inode>) => void): void {
    this.#unsafeNames.push(apply);
    apply(this.#names);
  }

  #inode(file: number): Inode {
    return this.#open.get(file)!;
  }

  #step(): void {
    if (--this.callsLeft < 0) throw new StoreFailed("the power is off");
  }
}

function changed(bytes: Uint8Array<ArrayBuffer>, change: Change): Uint8Array<ArrayBuffer> {
  const size = "size" in change ? change.size : Math.max(bytes.length, change.at + change.bytes.length);
  const result = new Uint8Array(size);
  result.set(bytes.subarray(0, size));
  if ("bytes" in change) result.set(change.bytes, change.at);
  return result;
}

function half(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.subarray(0, Math.floor(random() * bytes.length));
}
