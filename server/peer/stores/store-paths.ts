import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";

/** Where the working files of a download lie: hidden, in the target's own folder and so on its file system. */
export interface StorePaths {
  readonly target: string;
  readonly folder: string;
  /** A sparse file, or a folder of them. */
  readonly part: string;
  readonly journal: string;
  readonly lock: string;
  /** What a folder that is being replaced is called meanwhile. */
  readonly replaced: string;
}

/** Longest name on common file systems, in bytes. */
const MAX_NAME_BYTES = 255;
/** A dot, ".<8 hex>" and the longest suffix with room for a temporary one behind it. */
const DECORATION_BYTES = 40;

export function storePaths(target: string, infoHash: string): StorePaths {
  const folder = dirname(target);
  const prefix = join(folder, `.${boundedName(basename(target))}.${infoHash.slice(0, 8)}`);
  return {
    target,
    folder,
    part: `${prefix}.part`,
    journal: `${prefix}.journal`,
    lock: `${prefix}.lock`,
    replaced: `${prefix}.old`,
  };
}

/** The name, or as much of it as fits and a hash that keeps it apart from others with the same beginning. */
function boundedName(name: string): string {
  const bytes = Buffer.from(name);
  const room = MAX_NAME_BYTES - DECORATION_BYTES;
  if (bytes.length <= room) return name;
  let end = room - 9;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
  return `${bytes.subarray(0, end).toString()}~${hash}`;
}
