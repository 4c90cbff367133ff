import * as fs from "node:fs";

/** The first namespace of process ids of a machine, outside every container, has this name on every Linux. */
const FIRST = "pid:[4026531836]";

/**
 * The namespace in which this process's id means something, such as "pid:[4026531836]"; "-" without /proc. Each
 * container has its own, and in each the first process has the id 1.
 */
export function ownNamespace(): string {
  try {
    return fs.readlinkSync("/proc/self/ns/pid");
  } catch {
    return "-";
  }
}

/** A file that the kernel shows as held until this process lets it go or ends. */
export interface Hold {
  /** Calling it twice is harmless. */
  release(): void;
}

/** Keeps them from the garbage collector, which would end their locks. */
const databases = new Set<object>();

/**
 * Holds the file `path` so that processes in other containers can tell whether this one lives. Outside containers
 * nothing is held: see `livesElsewhere`.
 */
export function holdForOthers(path: string): Hold {
  if ([FIRST, "-"].includes(ownNamespace())) return { release() {} };
  const database = open(path, false);
  // SQLite takes one of the kernel's locks for this, which other containers see and which ends with the process.
  database.exec("PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE");
  databases.add(database);
  return {
    release() {
      databases.delete(database);
      if (!database.isOpen) return;
      database.close();
      fs.rmSync(path, { force: true });
    },
  };
}

/**
 * Whether the process that has to hold `path` lives; it is in `namespace`, which is not this process's. A process
 * outside of containers holds nothing, so it counts as alive.
 */
export function livesElsewhere(namespace: string, path: string): boolean {
  if (namespace === FIRST) return true;
  if (!fs.existsSync(path)) return false;
  const database = open(path, true);
  try {
    database.exec("SELECT count(*) FROM sqlite_schema");
    return false;
  } catch {
    return true;
  } finally {
    database.close();
  }
}

/** SQLite is loaded when it is needed, because Node 22 prints a warning then. */
function open(path: string, readOnly: boolean) {
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  return new DatabaseSync(path, { readOnly });
}
