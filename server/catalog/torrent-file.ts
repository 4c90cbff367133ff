import { randomBytes } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InvalidField, messageOf, StoreFailed } from "#core/base/errors.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { MAX_TORRENT_JSON_BYTES } from "#core/torrent/torrent-json.ts";
import { readTorrentText, writeTorrentBytes } from "../base/long-torrents.ts";
import { breathing } from "../base/long-work.ts";
import { syncFolder } from "../base/sync-folder.ts";

/** Bytes of a file that are decoded at once. */
const DECODED_AT_ONCE = 1 << 20;
/** The name of a file that is written before it gets its final name. A crash may leave one behind. */
const TEMPORARY = /^\.[0-9a-f]{16}\.tmp$/;

const { O_RDONLY, O_NONBLOCK = 0 } = constants;

/** A torrent and the stamp of the file that it was read from. */
export interface StampedTorrent {
  readonly torrent: Torrent;
  /** Changes whenever the file is replaced or written to. */
  readonly stamp: string;
}

/** The stamp of the file at `path`, or undefined if there is no regular file. */
export async function stampAt(path: string): Promise<string | undefined> {
  const stats = await attempt("looking for a torrent", () => absentAsUndefined(stat(path, { bigint: true })));
  return stats?.isFile() ? stampOf(stats) : undefined;
}

/**
 * Reads and checks the torrent file at `path`; undefined if there is no file. Fails with InvalidField if it is not a
 * torrent, and with StoreFailed if it cannot be read.
 */
export async function readStampedTorrent(path: string): Promise<StampedTorrent | undefined> {
  const file = await attempt("reading a torrent", () => absentAsUndefined(open(path, O_RDONLY | O_NONBLOCK)));
  if (!file) return undefined;
  const { bytes, stamp } = await attempt("reading a torrent", () => readWhole(file));
  return { torrent: await readTorrentText(await decodeUtf8(bytes)), stamp };
}

async function readWhole(file: FileHandle): Promise<{ bytes: Uint8Array; stamp: string }> {
  try {
    const stats = await file.stat({ bigint: true });
    // A pipe or a device could give bytes without end.
    if (!stats.isFile()) throw new InvalidField("torrent", "must be a file");
    if (stats.size > MAX_TORRENT_JSON_BYTES)
      throw new InvalidField("torrent", "must be at most 16 MiB of JSON");
    return { bytes: await file.readFile(), stamp: stampOf(stats) };
  } finally {
    await file.close();
  }
}

async function decodeUtf8(bytes: Uint8Array): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const breathe = breathing();
  const parts: string[] = [];
  try {
    for (let at = 0; at < bytes.length; at += DECODED_AT_ONCE) {
      parts.push(decoder.decode(bytes.subarray(at, at + DECODED_AT_ONCE), { stream: true }));
      await breathe();
    }
    parts.push(decoder.decode());
    return parts.join("");
  } catch (cause) {
    throw new InvalidField("torrent", "is not UTF-8", { cause });
  }
}

/**
 * Writes the torrent to `directory/file`. A reader, and a crash at any point, finds the complete old or the complete
 * new file. Resolves when it is on disk. Fails with InvalidField above 16 MiB and with StoreFailed.
 */
export async function writeTorrentFile(directory: string, file: string, torrent: Torrent): Promise<void> {
  const text = await writeTorrentBytes(torrent);
  const temporary = join(directory, `.${randomBytes(8).toString("hex")}.tmp`);
  await attempt("writing a torrent", async () => {
    try {
      await writeFile(temporary, text, { mode: 0o644, flag: "wx", flush: true });
      await rename(temporary, join(directory, file));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(directory);
  });
}

/** Deletes the file durably; a missing file is no error. Fails with StoreFailed. */
export function removeTorrentFile(directory: string, file: string): Promise<void> {
  return attempt("removing a torrent", async () => {
    await rm(join(directory, file), { force: true });
    await syncFolder(directory);
  });
}

/** Deletes the temporary files of a crashed writer. Only the single writer of the directory may call this. */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const file of await readdir(directory)) if (TEMPORARY.test(file)) await rm(join(directory, file));
}

/** Turns the error for a missing file, or for a link that leads nowhere, into undefined. */
function absentAsUndefined<T>(looking: Promise<T>): Promise<T | undefined> {
  return looking.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ELOOP") return undefined;
    throw error;
  });
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

/** Turns the system's errors, whose messages contain paths, into StoreFailed; passes InvalidField on. */
export async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof InvalidField) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const noSpace = code === "ENOSPC" || code === "EDQUOT";
    throw new StoreFailed(`${doing} failed: ${code ?? messageOf(cause)}`, { cause, noSpace });
  }
}
