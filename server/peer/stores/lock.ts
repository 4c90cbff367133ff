import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { PiezaError } from "#core/base/errors.ts";
import { codeOf, lacksLinks, storeFailed } from "./disk.ts";

/** A lock that this process holds. */
export interface Lock {
  /** Letting go twice is harmless. */
  release(): void;
}

/**
 * Takes the lock at `path`: a file that names its owner by process id and start time, so that an id used again is not
 * taken for it. The lock of a process that is gone is taken over. Throws PiezaError("failed_precondition") if its owner
 * lives, in words that name it.
 */
export function takeLock(path: string, what: string): Lock {
  const mine = `${process.pid} ${startTimeOf(process.pid) ?? "?"} ${randomBytes(8).toString("hex")}\n`;
  try {
    // Two tries: the second one after a dead owner's lock is out of the way.
    if (!placed(path, mine)) {
      setAsideIfDead(path, what);
      if (!placed(path, mine)) throw inUse(what, ownerOf(path));
    }
  } catch (error) {
    throw error instanceof PiezaError ? error : storeFailed("taking the lock", error);
  }
  sweep(path);
  return {
    release() {
      if (contentOf(path) === mine) fs.rmSync(path, { force: true });
    },
  };
}

/**
 * Writes the lock beside its place and links it there, so that nobody ever reads half a lock; where the file system has
 * no links, straight to its place.
 */
function placed(path: string, content: string): boolean {
  const draft = `${path}.${randomBytes(4).toString("hex")}`;
  fs.writeFileSync(draft, content, { flag: "wx", mode: 0o600 });
  try {
    return isNew(() => fs.linkSync(draft, path));
  } catch (error) {
    if (!lacksLinks(error)) throw error;
    return isNew(() => fs.writeFileSync(path, content, { flag: "wx", mode: 0o600 }));
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

/** Takes away what processes left that were killed while they took this lock. Never fails: it is only litter. */
function sweep(path: string): void {
  try {
    const drafts = fs.readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.`));
    for (const draft of drafts.map((name) => join(dirname(path), name))) {
      if (!/\.[0-9a-f]{8}$/.test(draft)) continue;
      const owner = ownerOf(draft);
      if (owner && !lives(owner)) fs.rmSync(draft, { force: true });
    }
  } catch {
    // The next one who takes it tries again.
  }
}

function isNew(make: () => void): boolean {
  try {
    make();
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    return false;
  }
}

/** Renames before it judges, so that of two processes that find one dead lock only one takes it away. */
function setAsideIfDead(path: string, what: string): void {
  const owner = ownerOf(path);
  if (owner && lives(owner)) throw inUse(what, owner);
  const aside = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    fs.renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  const taken = ownerOf(aside);
  // Somebody else was faster and this is already their lock: give it back.
  if (taken && lives(taken)) {
    placed(path, contentOf(aside) ?? "");
    fs.rmSync(aside, { force: true });
    throw inUse(what, taken);
  }
  fs.rmSync(aside, { force: true });
}

interface Owner {
  readonly pid: number;
  readonly startTime: string;
}

function ownerOf(path: string): Owner | undefined {
  const [pid, startTime] = contentOf(path)?.split(" ") ?? [];
  return pid && startTime ? { pid: Number(pid), startTime } : undefined;
}

function contentOf(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function lives({ pid, startTime }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
  const now = startTimeOf(pid);
  return now === undefined || now === startTime;
}

/** Clock ticks from boot to the process's start, where /proc tells: field 22, counted behind the name in brackets. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .at(19);
  } catch {
    return undefined;
  }
}

function inUse(what: string, owner: Owner | undefined): PiezaError {
  const who = owner ? `the process ${owner.pid}` : "another process";
  return new PiezaError("failed_precondition", `${what} is in use by ${who}`);
}
