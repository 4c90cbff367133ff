import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";

/** Paths of a download's working files: hidden, in the target's folder and therefore on its file system. */
export interface StorePaths {
  readonly target: string;
  readonly folder: string;
  /** A sparse file; for a folder, a folder of sparse files. */
  readonly part: string;
  readonly journal: string;
  readonly lock: string;
}

/** Longest file name on common file systems, in bytes. */
const MAX_NAME_BYTES = 255;
/** Room for a dot, ".<8 hex>", the longest suffix and a temporary suffix after that. */
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
  };
}

/** The name, or as much of it as fits, with a hash that tells it from other names with the same beginning. */
function boundedName(name: string): string {
  const bytes = Buffer.from(name);
  const room = MAX_NAME_BYTES - DECORATION_BYTES;
  if (bytes.length <= room) return name;
  let end = room - 9;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
  return `${bytes.subarray(0, end).toString()}~${hash}`;
}
