import { StoreFailed } from "#core/base/errors.ts";
import type { Disk } from "./disk.ts";
import type { FileMap, Segment } from "./file-map.ts";

/** Open at once, at most, but for files that are being read: far under the 1,024 that a process usually may have. */
const MAX_OPEN_FILES = 32;

interface Handle {
  readonly descriptor: number;
  /** Reads and flushes under way; it is not closed before they end, or they would meet another file's descriptor. */
  uses: number;
}

/** The bytes of a torrent on a disk as one run of bytes, whether that is one file or a folder of many. */
export class PartFiles {
  readonly map: FileMap;
  readonly #disk: Disk;
  readonly #mode: "update" | "read";
  #root: string;
  /** By file, least recently used first. */
  readonly #open = new Map<number, Handle>();
  readonly #unsynced = new Set<number>();
  /** Files that have their places already, and the folder that they are in. */
  readonly #placed = new Set<number>();
  #placedRoot = "";
  #pending = Promise.resolve();

  constructor(disk: Disk, root: string, map: FileMap, mode: "update" | "read") {
    this.#disk = disk;
    this.#root = root;
    this.map = map;
    this.#mode = mode;
  }

  /** Finds the files that an earlier run moved to their places under `root`: not here any more, and there, with their sizes. */
  findPlaced(root: string): void {
    this.#placedRoot = root;
    for (const [file, { path, length }] of this.map.files.entries()) {
      if (this.#disk.look(this.#pathOf(file))) continue;
      const found = this.#disk.look(`${root}/${path}`);
      if (found?.kind === "file" && found.size === length) this.#placed.add(file);
    }
  }

  /** The file that is in this place is another: ours is to be made anew. Nobody must be reading it. */
  forgetPlaced(file: number): void {
    this.#placed.delete(file);
    const handle = this.#open.get(file);
    if (handle) this.#disk.close(handle.descriptor);
    this.#open.delete(file);
  }

  /** Files that have their places already. */
  get placed(): ReadonlySet<number> {
    return this.#placed;
  }

  /**
   * Moves a file to its place under `root`, making the folders that it needs. False if something else is there and
   * `replace` is not set.
   */
  place(file: number, root: string, replace: boolean): boolean {
    if (this.#placed.has(file)) return true;
    const { path } = this.map.files[file]!;
    const from = this.#pathOf(file);
    const to = `${root}/${path}`;
    for (const folder of [root, ...[...foldersOf(path)].map((name) => `${root}/${name}`)]) {
      if (!this.#folderExists(folder)) this.#disk.makeFolder(folder);
    }
    if (replace) {
      this.#disk.rename(from, to);
    } else {
      const there = this.#disk.look(to);
      const cutOff = there !== undefined && there.identity === this.#disk.look(from)?.identity;
      if (!cutOff && (there || !this.#disk.link(from, to))) return false;
      this.#disk.remove(from);
    }
    this.#placedRoot = root;
    this.#placed.add(file);
    return true;
  }

  /** Makes the files and folders that are missing and gives each its size. True if nothing was missing or amiss. */
  prepare(): boolean {
    let intact = true;
    if (this.map.isFolder && !this.#folderExists(this.#root)) this.#disk.makeFolder(this.#root);
    const known = new Set<string>();
    for (const [file, { path, length }] of this.map.files.entries()) {
      if (this.#placed.has(file)) continue;
      for (const folder of foldersOf(path)) {
        if (known.has(folder)) continue;
        known.add(folder);
        if (!this.#folderExists(this.#join(folder))) this.#disk.makeFolder(this.#join(folder));
      }
      const found = this.#disk.look(this.#pathOf(file));
      if (found?.size === length && found.kind === "file") continue;
      intact = false;
      if (!found) this.#disk.close(this.#disk.open(this.#pathOf(file), "create"));
      this.#disk.truncate(this.#handle(file).descriptor, length);
    }
    return intact;
  }

  /** True if every file is there with its size. */
  sizesRight(): boolean {
    return this.map.files.every(({ length }, file) => {
      const found = this.#disk.look(this.#pathOf(file));
      return found?.kind === "file" && found.size === length;
    });
  }

  /** Bytes that the files take on the disk now. */
  allocatedBytes(): number {
    let sum = 0;
    for (const file of this.map.files.keys()) sum += this.#disk.look(this.#pathOf(file))?.allocatedBytes ?? 0;
    return sum;
  }

  write(offset: number, bytes: Uint8Array): void {
    for (const { file, position, at, length } of this.map.segments(offset, bytes.length)) {
      this.#unsynced.add(file);
      this.#disk.write(this.#handle(file).descriptor, bytes.subarray(at, at + length), position);
    }
  }

  /** At the start of `into`, or in a buffer of its own. Fails with StoreFailed if the files are shorter than that. */
  async read(offset: number, length: number, into: Uint8Array = new Uint8Array(length)): Promise<Uint8Array> {
    for (const segment of this.map.segments(offset, length)) await this.#readSegment(segment, into);
    return into.subarray(0, length);
  }

  async #readSegment({ file, position, at, length }: Segment, into: Uint8Array): Promise<void> {
    const run = into.subarray(at, at + length);
    const count = await this.#use(file, (descriptor) => this.#disk.read(descriptor, run, position));
    if (count < length) throw new StoreFailed("reading failed: the file is shorter than it should be");
  }

  /** Says that these bytes may not be on the disk yet although this object has not written them. */
  markUnsynced(offset: number, length: number): void {
    for (const { file } of this.map.segments(offset, length)) this.#unsynced.add(file);
  }

  /** Resolves when everything written before the call is on the disk. */
  async sync(): Promise<void> {
    const files = [...this.#unsynced];
    this.#unsynced.clear();
    for (const file of files) await this.#use(file, (descriptor) => this.#disk.sync(descriptor));
  }

  /** Flushes the entries of every folder inside. */
  async syncFolders(): Promise<void> {
    const folders = new Set(this.map.files.flatMap(({ path }) => ["", ...foldersOf(path)]));
    if (!this.map.isFolder) return;
    const roots = this.#placed.size > 0 ? [this.#root, this.#placedRoot] : [this.#root];
    for (const path of roots.flatMap((root) => [...folders].map((folder) => under(root, folder)))) {
      if (this.#disk.look(path)) await this.#disk.syncFolder(path);
    }
  }

  /** The files have this name from now on. */
  moved(root: string): void {
    this.#root = root;
    this.#placed.clear();
  }

  /** Waits for reads under way, then closes every file. */
  async close(): Promise<void> {
    await this.#pending;
    for (const { descriptor } of this.#open.values()) this.#disk.close(descriptor);
    this.#open.clear();
  }

  async #use<T>(file: number, run: (descriptor: number) => Promise<T>): Promise<T> {
    const handle = this.#handle(file);
    handle.uses++;
    const running = run(handle.descriptor).finally(() => handle.uses--);
    const settled = running.then(
      () => {},
      () => {},
    );
    this.#pending = Promise.all([this.#pending, settled]).then(() => {});
    return running;
  }

  #handle(file: number): Handle {
    let handle = this.#open.get(file);
    if (handle) {
      this.#open.delete(file);
    } else {
      this.#makeRoom();
      handle = {
        descriptor: this.#disk.open(this.#pathOf(file), this.#placed.has(file) ? "read" : this.#mode),
        uses: 0,
      };
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

  #folderExists(path: string): boolean {
    const found = this.#disk.look(path);
    if (found && found.kind !== "folder") throw new StoreFailed("a file or link is where a folder should be");
    return found !== undefined;
  }

  #pathOf(file: number): string {
    return under(this.#placed.has(file) ? this.#placedRoot : this.#root, this.map.files[file]!.path);
  }

  #join(path: string): string {
    return under(this.#root, path);
  }
}

function under(root: string, path: string): string {
  return path === "" ? root : `${root}/${path}`;
}

/** The folders above a relative path, outermost first. */
function* foldersOf(path: string): Generator<string> {
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) yield path.slice(0, at);
}
