import * as fs from "node:fs";
import { promisify } from "node:util";
import { StoreFailed } from "#core/base/errors.ts";
import { syncFolder } from "../../base/sync-folder.ts";
import { beneath } from "./beneath.ts";

/** Metadata of a file or folder. */
export interface FileFacts {
  /** "other" is a device, a FIFO or a socket. */
  readonly kind: "file" | "folder" | "link" | "other";
  /** Bytes. */
  readonly size: number;
  /** Bytes allocated on the disk: fewer than `size` for a sparse file. */
  readonly allocatedBytes: number;
  /** Device and inode: equal for two paths exactly if they are the same file. */
  readonly identity: string;
}

/**
 * The file system calls that a store makes, as an interface so that a test can simulate failures and power cuts.
 * Every method fails with StoreFailed. No method follows a link in the last segment of a path.
 */
export interface Disk {
  /** "create" fails if the file exists; "update" reads and writes. Fails for all but regular files. */
  open(path: string, mode: "create" | "update" | "read"): number;
  /**
   * Calls `use` with a path of what is at `path`, relative, in the folder `root`. Fails if `root` or a folder on the way
   * is missing or a link, also if another process makes it one meanwhile.
   */
  beneath<T>(root: string, path: string, use: (path: string) => T): T;
  close(file: number): void;
  /** Undefined if there is no entry at `path`. */
  look(path: string): FileFacts | undefined;
  /** Writes all of `bytes`. */
  write(file: number, bytes: Uint8Array, position: number): void;
  /** Reads into `into` until it is full or the file ends. Resolves to the number of bytes read. */
  read(file: number, into: Uint8Array, position: number): Promise<number>;
  truncate(file: number, size: number): void;
  /** Resolves when the file's bytes and size are on the disk. */
  sync(file: number): Promise<void>;
  /** Resolves when the folder's entries are on the disk. */
  syncFolder(path: string): Promise<void>;
  makeFolder(path: string): void;
  /** Gives the file a second name. On a file system without links it renames the file. False if `to` exists. */
  link(from: string, to: string): boolean;
  /** Replaces the file at `to`, if there is one. */
  rename(from: string, to: string): void;
  /** Deletes a file, or a folder with everything in it. Does nothing if there is no entry at `path`. */
  remove(path: string): void;
  /** Bytes that this user may still write on the file system of `path`; Infinity if the system does not say. */
  freeBytes(path: string): number;
}

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_RDWR } = fs.constants;
const FLAGS = { create: O_RDWR | O_CREAT | O_EXCL, update: O_RDWR, read: O_RDONLY };

const readAsync = promisify(fs.read);
const fdatasync = promisify(fs.fdatasync);

/** The machine's own file system. */
export const nodeDisk: Disk = {
  open: (path, mode) =>
    attempt("opening a file", () => {
      // Without O_NONBLOCK, opening a FIFO would wait for its other end.
      const file = fs.openSync(path, FLAGS[mode] | O_NOFOLLOW | O_NONBLOCK, 0o666);
      if (fs.fstatSync(file).isFile()) return file;
      fs.closeSync(file);
      throw new Error("not a regular file");
    }),
  beneath: (root, path, use) => attempt("opening a folder", () => beneath(root, path, use)),
  close: (file) => attempt("closing a file", () => fs.closeSync(file)),
  look: (path) => attempt("reading a file's status", () => facts(statOf(path))),
  write: (file, bytes, position) =>
    attempt("writing", () => {
      for (let done = 0; done < bytes.length; ) {
        done += fs.writeSync(file, bytes, done, bytes.length - done, position + done);
      }
    }),
  read: (file, into, position) =>
    attemptAsync("reading", async () => {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await readAsync(file, into, done, into.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    }),
  truncate: (file, size) => attempt("setting a file's size", () => fs.ftruncateSync(file, size)),
  sync: (file) => attemptAsync("flushing to the disk", () => fdatasync(file)),
  syncFolder: (path) => attemptAsync("flushing a folder to the disk", () => syncFolder(path)),
  makeFolder: (path) => attempt("making a folder", () => fs.mkdirSync(path)),
  link: (from, to) => attempt("linking a file", () => link(from, to)),
  rename: (from, to) => attempt("renaming a file", () => fs.renameSync(from, to)),
  remove: (path) => attempt("removing a file", () => fs.rmSync(path, { recursive: true, force: true })),
  freeBytes: (path) =>
    attempt("asking for free space", () => {
      const { bavail, bsize, blocks } = fs.statfsSync(path);
      return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
    }),
};

/** Like `nodeDisk`, but follows links: for files of a person that are only read. */
export const diskThroughLinks: Disk = {
  ...nodeDisk,
  open: (path, mode) =>
    nodeDisk.open(
      attempt("opening a file", () => fs.realpathSync(path)),
      mode,
    ),
  beneath: (root, path, use) => use(`${root}/${path}`),
};

function statOf(path: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // A file is where the path has a folder.
    if (codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

function facts(stat: fs.Stats | undefined): FileFacts | undefined {
  if (!stat) return undefined;
  const allocatedBytes = (stat.blocks ?? 0) * 512;
  return { kind: kindOf(stat), size: stat.size, allocatedBytes, identity: `${stat.dev}:${stat.ino}` };
}

function kindOf(stat: fs.Stats): FileFacts["kind"] {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "folder";
  return stat.isSymbolicLink() ? "link" : "other";
}

function link(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    if (!lacksLinks(error)) throw error;
  }
  if (fs.lstatSync(to, { throwIfNoEntry: false })) return false;
  fs.renameSync(from, to);
  return true;
}

const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/** Whether a `link` call failed because the file system has no links: exFAT, some network and FUSE ones. */
export function lacksLinks(error: unknown): boolean {
  return NO_LINKS.has(codeOf(error));
}

function attempt<T>(doing: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw storeFailed(doing, error);
  }
}

async function attemptAsync<T>(doing: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw storeFailed(doing, error);
  }
}

const PROBLEMS: Record<string, string> = {
  ENOSPC: "no space is left on the disk",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file is larger than is allowed here",
  EROFS: "the disk is read-only",
  EACCES: "not allowed",
  EPERM: "not allowed",
  ENOENT: "no such file or folder",
  EEXIST: "it exists already",
  ELOOP: "it is a link",
  ENOTDIR: "a file or link is where a folder should be",
  EMFILE: "too many open files",
  EIO: "the disk has an error",
};

/** A StoreFailed that says what was being done and why it failed, without a path. */
export function storeFailed(doing: string, error: unknown): StoreFailed {
  if (error instanceof StoreFailed) return error;
  const code = codeOf(error);
  const problem = PROBLEMS[code] ?? (code || (error instanceof Error ? error.message : String(error)));
  const noSpace = code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";
  return new StoreFailed(`${doing} failed: ${problem}`, { cause: error, noSpace });
}

/** Undefined for ENOENT; throws any other error. */
export function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}

/** The errno name of an error that a file system call threw; "" for any other value. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "";
}
