import { dirname } from "node:path";
import { type Disk, nodeDisk } from "../../../server/peer/stores/disk.ts";

/** The machine's disk, and what of it a power cut could still take: it keeps the books that the real one keeps. */
export class FlushLedger {
  /** Files with bytes that were written and not flushed since. */
  readonly files = new Set<string>();
  /** Folders in which names were given or taken away, and not flushed since. */
  readonly folders = new Set<string>();
  /** What was not flushed of a file or folder at the moment when it got a place under another name. */
  readonly early: string[] = [];
  readonly disk: Disk;
  readonly #paths = new Map<number, string>();

  constructor() {
    this.disk = {
      ...nodeDisk,
      // The books go by the usual paths.
      beneath: (root, path, use) => use(`${root}/${path}`),
      open: (path, mode) => {
        const file = nodeDisk.open(path, mode);
        this.#paths.set(file, path);
        if (mode === "create") this.folders.add(dirname(path));
        return file;
      },
      write: (file, bytes, position) => {
        this.files.add(this.#paths.get(file)!);
        nodeDisk.write(file, bytes, position);
      },
      sync: async (file) => {
        await nodeDisk.sync(file);
        this.files.delete(this.#paths.get(file)!);
      },
      syncFolder: async (path) => {
        await nodeDisk.syncFolder(path);
        this.folders.delete(path);
      },
      makeFolder: (path) => {
        nodeDisk.makeFolder(path);
        this.folders.add(dirname(path));
      },
      link: (from, to) => {
        this.#named(from, to);
        return nodeDisk.link(from, to);
      },
      rename: (from, to) => {
        this.#named(from, to);
        nodeDisk.rename(from, to);
        this.folders.add(dirname(from));
      },
      remove: (path) => {
        if (nodeDisk.look(path)) this.folders.add(dirname(path));
        nodeDisk.remove(path);
        for (const gone of [this.files, this.folders]) {
          for (const inside of gone) if (isIn(inside, path)) gone.delete(inside);
        }
      },
    };
  }

  #named(from: string, to: string): void {
    this.early.push(...[...this.files, ...this.folders].filter((path) => isIn(path, from)));
    this.folders.add(dirname(to));
  }
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
