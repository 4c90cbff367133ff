import { StoreFailed } from "#core/base/errors.ts";
import { codeOf, type Disk, type FileFacts } from "./disk.ts";
import type { FileMap, Segment } from "./file-map.ts";

/** Files kept open at once, but for those being read. Processes usually may have 1,024. */
const MAX_OPEN_FILES = 32;

interface Handle {
  readonly descriptor: number;
  /** Reads and flushes in progress. A file closed meanwhile could have its descriptor reused for another file. */
  uses: number;
}

/** The files of a torrent on a disk, read and written as one range of bytes. */
export class PartFiles {
  readonly map: FileMap;
  readonly #disk: Disk;
  readonly #mode: "update" | "read";
  #root: string;
  /** By index of the file, in order of last use. */
  readonly #open = new Map<number, Handle>();
  readonly #unsynced = new Set<number>();
  /** Files that were moved to their final place, and the folder of those places. */
  readonly #placed = new Set<number>();
  #placedRoot = "";
  /** Whether the files under `#root` have their final names. */
  #isNamed: boolean;
  #pending = Promise.resolve();

  constructor(disk: Disk, root: string, map: FileMap, mode: "update" | "read") {
    this.#disk = disk;
    this.#root = root;
    this.map = map;
    this.#mode = mode;
    this.#isNamed = mode === "read";
  }

  /** Finds the files that an earlier run moved under `root`: present only there, with the right size. */
  findPlaced(root: string): void {
    this.#placedRoot = root;
    for (const [file, { path, length }] of this.map.files.entries()) {
      if (this.#look(file)) continue;
      if (isFileOf(length, this.#lookAt(root, path))) this.#placed.add(file);
    }
  }

  /** Treats the file in its place as foreign, so that it is downloaded again. Not to be called during a read. */
  forgetPlaced(file: number): void {
    this.#placed.delete(file);
    const handle = this.#open.get(file);
    if (handle) this.#disk.close(handle.descriptor);
    this.#open.delete(file);
  }

  /** Indices of the files that are in their final place. */
  get placed(): ReadonlySet<number> {
    return this.#placed;
  }

  /**
   * Moves a file to its place under `root`. False if another file is there and `replace` is not set, or if what is
   * there is neither a file nor a link.
   */
  place(file: number, root: string, replace = false): boolean {
    if (this.#placed.has(file)) return true;
    const { path } = this.map.files[file]!;
    for (const folder of ["", ...foldersOf(path)]) this.#ensureFolder(root, folder);
    const isMoved = this.#at(file, (from) =>
      this.#disk.beneath(root, path, (to) => this.#move(from, to, replace)),
    );
    if (!isMoved) return false;
    this.#placedRoot = root;
    this.#placed.add(file);
    return true;
  }

  #move(from: string, to: string, replace: boolean): boolean {
    const there = this.#disk.look(to);
    if (replace) {
      if (there && there.kind !== "file" && there.kind !== "link") return false;
      this.#disk.rename(from, to);
      return true;
    }
    const cutOff = there !== undefined && there.identity === this.#disk.look(from)?.identity;
    if (!cutOff && (there || !this.#disk.link(from, to))) return false;
    this.#disk.remove(from);
    return true;
  }

  /**
   * Creates the missing ones of the files `needed` and their folders, and gives each file its size. Returns true if no
   * file of `recorded`, in which an earlier run has stored pieces, had to be changed.
   */
  prepare(needed: Iterable<number>, recorded: ReadonlySet<number>): boolean {
    let intact = true;
    if (this.map.isFolder) this.#ensureFolder(this.#root, "");
    const known = new Set<string>();
    for (const file of needed) {
      if (this.#placed.has(file)) continue;
      const { path, length } = this.map.files[file]!;
      for (const folder of foldersOf(path)) {
        if (known.has(folder)) continue;
        known.add(folder);
        this.#ensureFolder(this.#root, folder);
      }
      const found = this.#look(file);
      if (isFileOf(length, found)) continue;
      intact &&= !recorded.has(file);
      if (!found) this.#at(file, (path) => this.#disk.close(this.#disk.open(path, "create")));
      this.#disk.truncate(this.#handle(file).descriptor, length);
    }
    return intact;
  }

  /** True if every file is there with its size. */
  sizesRight(): boolean {
    return this.map.files.every(({ length }, file) => isFileOf(length, this.#look(file)));
  }

  /** Bytes that the files occupy on the disk now. */
  allocatedBytes(): number {
    let sum = 0;
    for (const file of this.map.files.keys()) sum += this.#look(file)?.allocatedBytes ?? 0;
    return sum;
  }

  write(offset: number, bytes: Uint8Array): void {
    for (const segment of this.map.segments(offset, bytes.length)) this.#writeSegment(segment, bytes);
  }

  /** Like `write`, but leaves the files in their final place as they are: the caller knows that those have the bytes. */
  fill(offset: number, bytes: Uint8Array): void {
    for (const segment of this.map.segments(offset, bytes.length)) {
      if (!this.#placed.has(segment.file)) this.#writeSegment(segment, bytes);
    }
  }

  #writeSegment({ file, position, at, length }: Segment, bytes: Uint8Array): void {
    this.#unsynced.add(file);
    this.#disk.write(this.#handle(file).descriptor, bytes.subarray(at, at + length), position);
  }

  /** Reads to the start of `into`, or to a new buffer. Fails with StoreFailed if the files are too short. */
  async read(offset: number, length: number, into: Uint8Array = new Uint8Array(length)): Promise<Uint8Array> {
    for (const segment of this.map.segments(offset, length)) await this.#readSegment(segment, into);
    return into.subarray(0, length);
  }

  async #readSegment({ file, position, at, length }: Segment, into: Uint8Array): Promise<void> {
    const run = into.subarray(at, at + length);
    const count = await this.#use(file, (descriptor) => this.#disk.read(descriptor, run, position));
    if (count < length) throw new StoreFailed("reading failed: the file is shorter than it should be");
  }

  /** Whether some of these bytes lie in a file that has its final name, where its owner may change it. */
  mayChange(offset: number, length: number): boolean {
    for (const { file } of this.map.segments(offset, length))
      if (this.#isNamed || this.#placed.has(file)) return true;
    return false;
  }

  /** Includes these bytes in the next `sync` although they were written by an earlier run. */
  markUnsynced(offset: number, length: number): void {
    for (const { file } of this.map.segments(offset, length)) this.#unsynced.add(file);
  }

  /** Resolves when everything written before the call is on the disk. */
  async sync(): Promise<void> {
    const files = [...this.#unsynced];
    this.#unsynced.clear();
    for (const file of files) await this.#use(file, (descriptor) => this.#disk.sync(descriptor));
  }

  /** Flushes the entries of every folder of the torrent. */
  async syncFolders(): Promise<void> {
    const folders = new Set(this.map.files.flatMap(({ path }) => ["", ...foldersOf(path)]));
    if (!this.map.isFolder) return;
    const roots = this.#placed.size > 0 ? [this.#root, this.#placedRoot] : [this.#root];
    for (const path of roots.flatMap((root) => [...folders].map((folder) => under(root, folder)))) {
      if (this.#disk.look(path)) await this.#disk.syncFolder(path);
    }
  }

  /** Tells this object that the files were renamed to `root`. */
  moved(root: string): void {
    this.#root = root;
    this.#isNamed = true;
    this.#placed.clear();
  }

  /** Waits for reads in progress, then closes every file. */
  async close(): Promise<void> {
    await this.#pending;
    for (const { descriptor } of this.#open.values()) this.#disk.close(descriptor);
    this.#open.clear();
  }

  async #use<T>(file: number, run: (descriptor: number) => Promise<T>): Promise<T> {
    const handle = this.#handle(file);
    handle.uses++;
    const running = run(handle.descriptor).finally(() => handle.uses--);
    this.#pending = Promise.all([this.#pending, running.catch(() => {})]).then(() => {});
    return running;
  }

  #handle(file: number): Handle {
    let handle = this.#open.get(file);
    if (handle) {
      this.#open.delete(file);
    } else {
      this.#makeRoom();
      const mode = this.#placed.has(file) ? "read" : this.#mode;
      handle = { descriptor: this.#at(file, (path) => this.#disk.open(path, mode)), uses: 0 };
    }
    this.#open.set(file, handle);
    return handle;
  }

  #makeRoom(): void {
    for (const [file, handle] of this.#open) {
      if (this.#open.size < MAX_OPEN_FILES) return;
      if (handle.uses > 0) continue;
      this.#disk.close(handle.descriptor);
      this.#open.delete(file);
    }
  }

  /** `folder`: relative to `root`, or "" for `root` itself. */
  #ensureFolder(root: string, folder: string): void {
    this.#in(root, folder, (path) => {
      const found = this.#disk.look(path);
      if (!found) this.#disk.makeFolder(path);
      else if (found.kind !== "folder") throw new StoreFailed("a file or link is where a folder should be");
    });
  }

  /** Undefined also if a folder on the way is missing or a link. */
  #lookAt(root: string, path: string): FileFacts | undefined {
    try {
      return this.#in(root, path, (at) => this.#disk.look(at));
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (/^(ENOENT|ENOTDIR|ELOOP)$/.test(codeOf(cause))) return undefined;
      throw error;
    }
  }

  #look(file: number): FileFacts | undefined {
    return this.#lookAt(this.#rootOf(file), this.map.files[file]!.path);
  }

  #at<T>(file: number, use: (path: string) => T): T {
    return this.#in(this.#rootOf(file), this.map.files[file]!.path, use);
  }

  /** Calls `use` with the path of a file or folder beneath `root`, which no link leads elsewhere; "" is `root`. */
  #in<T>(root: string, path: string, use: (path: string) => T): T {
    return path === "" ? use(root) : this.#disk.beneath(root, path, use);
  }

  #rootOf(file: number): string {
    return this.#placed.has(file) ? this.#placedRoot : this.#root;
  }
}

function isFileOf(length: number, found: FileFacts | undefined): boolean {
  return found?.kind === "file" && found.size === length;
}

function under(root: string, path: string): string {
  return path === "" ? root : `${root}/${path}`;
}

/** The parent folders of a relative path, outermost first. */
export function* foldersOf(path: string): Generator<string> {
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) yield path.slice(0, at);
}
