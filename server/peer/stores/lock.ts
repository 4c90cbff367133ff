import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { PiezaError } from "#core/base/errors.ts";
import { codeOf, ignoreMissing, lacksLinks, storeFailed } from "./disk.ts";
import { holdForOthers, livesElsewhere, ownNamespace } from "./pid-namespace.ts";

/** A lock that this process holds. */
export interface Lock {
  /** Removes the lock. Calling it twice is harmless. */
  release(): void;
}

/**
 * Takes the lock at `path`: a file with its owner's process id and start time, which tells a reused id apart, and the
 * namespace of that id, which tells containers apart. Takes over the lock of a dead owner. Throws
 * PiezaError("failed_precondition") that names the owner while it lives.
 */
export function takeLock(path: string, what: string): Lock {
  const nonce = randomBytes(8).toString("hex");
  const mine = `${process.pid} ${startTimeOf(process.pid) ?? "?"} ${nonce} ${ownNamespace()}\n`;
  // Before the lock, because without it a process in another container would take the owner for dead.
  const hold = tried(() => holdForOthers(heldPath(path, nonce)));
  try {
    takeOver(path, what, mine);
  } catch (error) {
    hold.release();
    throw error;
  }
  sweep(path);
  return {
    release() {
      if (contentOf(path) === mine) fs.rmSync(path, { force: true });
      hold.release();
    },
  };
}

function tried<T>(take: () => T): T {
  try {
    return take();
  } catch (error) {
    throw error instanceof PiezaError ? error : storeFailed("taking the lock", error);
  }
}

/** The file that the owner with this nonce holds for processes in other containers. */
const heldPath = (path: string, nonce: string) => `${path}.${nonce}.held`;

function takeOver(path: string, what: string, mine: string): void {
  tried(() => {
    // The second try follows after the lock of a dead owner has been moved away.
    if (placed(path, mine)) return;
    setAsideIfDead(path, what);
    if (!placed(path, mine)) throw inUse(what, ownerOf(path));
  });
}

/** Whether a living process has the lock. */
export function isHeld(path: string): boolean {
  const owner = ownerOf(path);
  return owner !== undefined && lives(owner, path);
}

/**
 * Writes the lock to a draft beside `path` and links it there, so that no process ever reads half a lock. A file
 * system without links gets the lock written to `path` directly.
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

/** Deletes the drafts of processes that were killed while they took this lock. Errors do no harm. */
function sweep(path: string): void {
  try {
    const drafts = fs.readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.`));
    for (const draft of drafts.map((name) => join(dirname(path), name))) {
      if (!/\.[0-9a-f]{8}$/.test(draft)) continue;
      const owner = ownerOf(draft);
      if (owner && !lives(owner, path)) fs.rmSync(draft, { force: true });
    }
  } catch {
    // The next process that takes the lock tries again.
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

/** Renames the lock before judging it, so that of two processes that find one dead lock only one removes it. */
function setAsideIfDead(path: string, what: string): void {
  const owner = ownerOf(path);
  if (owner && lives(owner, path)) throw inUse(what, owner);
  const aside = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    fs.renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  const taken = ownerOf(aside);
  // Another process was faster and `aside` is its lock: put that back.
  if (taken && lives(taken, path)) {
    placed(path, contentOf(aside) ?? "");
    fs.rmSync(aside, { force: true });
    throw inUse(what, taken);
  }
  fs.rmSync(aside, { force: true });
  if (taken) fs.rmSync(heldPath(path, taken.nonce), { force: true });
}

interface Owner {
  readonly pid: number;
  readonly startTime: string;
  readonly nonce: string;
  /** Undefined in locks of older versions. */
  readonly namespace: string | undefined;
}

function ownerOf(path: string): Owner | undefined {
  const [pid, startTime, given = "", namespace] = contentOf(path)?.trimEnd().split(" ") ?? [];
  // It becomes part of a path.
  const nonce = /^[0-9a-f]{16}$/.test(given) ? given : "unknown";
  return pid && startTime ? { pid: Number(pid), startTime, nonce, namespace } : undefined;
}

function contentOf(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    return ignoreMissing(error);
  }
}

/** Whether the owner of the lock at `path` lives. */
function lives({ pid, startTime, nonce, namespace }: Owner, path: string): boolean {
  if (namespace !== undefined && namespace !== ownNamespace()) {
    return livesElsewhere(namespace, heldPath(path, nonce));
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
  const now = startTimeOf(pid);
  return now === undefined || now === startTime;
}

/** Clock ticks from boot to the start of the process: field 22 of /proc/PID/stat. Undefined without /proc. */
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
  const elsewhere = owner?.namespace !== undefined && owner.namespace !== ownNamespace();
  const who = owner && !elsewhere ? `the process ${owner.pid}` : "another process";
  const where = elsewhere ? " in another container or on its host" : "";
  return new PiezaError("failed_precondition", `${what} is in use by ${who}${where}`);
}
