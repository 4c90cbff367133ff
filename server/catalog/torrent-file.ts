import { randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { InvalidField, messageOf, StoreFailed } from "#core/base/errors.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { MAX_TORRENT_JSON_BYTES, parseTorrentText, torrentText } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../base/node-hasher.ts";

/** What is written aside before it gets its name; a crash may leave one behind. */
const ASIDE = /^\.[0-9a-f]{16}\.tmp$/;

/** A torrent as it lay in a file. */
export interface StoredTorrent {
  readonly torrent: Torrent;
  /** Differs as soon as the file is another one or has been written to. */
  readonly stamp: string;
}

/** The stamp of the file at `path`, or undefined if there is no regular file. */
export async function stampAt(path: string): Promise<string | undefined> {
  const stats = await attempt("looking for a torrent", () => absentAsUndefined(stat(path, { bigint: true })));
  return stats?.isFile() ? stampOf(stats) : undefined;
}

/**
 * Reads and checks the torrent in the file at `path`; undefined if there is none. Fails with InvalidField if it is no
 * torrent, and with StoreFailed if it cannot be read. Ask stampAt first: opening a pipe would wait for a writer.
 */
export async function readTorrentFile(path: string): Promise<StoredTorrent | undefined> {
  const file = await attempt("reading a torrent", () => absentAsUndefined(open(path, "r")));
  if (!file) return undefined;
  const { bytes, stamp } = await attempt("reading a torrent", () => readWhole(file));
  return { torrent: await parseTorrentText(decodeUtf8(bytes), nodeHasher), stamp };
}

async function readWhole(file: FileHandle): Promise<{ bytes: Uint8Array; stamp: string }> {
  try {
    const stats = await file.stat({ bigint: true });
    if (stats.size > MAX_TORRENT_JSON_BYTES)
      throw new InvalidField("torrent", "must be at most 16 MiB of JSON");
    return { bytes: await file.readFile(), stamp: stampOf(stats) };
  } finally {
    await file.close();
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InvalidField("torrent", "is not UTF-8", { cause });
  }
}

/**
 * Writes the torrent to `directory/file` so that a reader, or a crash at any point, finds the old file or the new one
 * whole. Resolves when it is on the disk. Fails with InvalidField past 16 MiB and with StoreFailed.
 */
export async function writeTorrentFile(directory: string, file: string, torrent: Torrent): Promise<void> {
  const text = torrentText(torrent);
  const aside = join(directory, `.${randomBytes(8).toString("hex")}.tmp`);
  await attempt("writing a torrent", async () => {
    try {
      await writeDurably(aside, text);
      await rename(aside, join(directory, file));
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    }
    await syncDirectory(directory);
  });
}

/** Takes the file away for good; nothing there is fine. Fails with StoreFailed. */
export function removeTorrentFile(directory: string, file: string): Promise<void> {
  return attempt("removing a torrent", async () => {
    await rm(join(directory, file), { force: true });
    await syncDirectory(directory);
  });
}

/** Takes away what writers left that did not live to give it its name. Only for the one writer, at its start. */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const file of await readdir(directory)) if (ASIDE.test(file)) await rm(join(directory, file));
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o644);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a directory last. Windows has no such thing and keeps them by itself. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  let handle: FileHandle | undefined;
  try {
    handle = await open(directory, "r");
    await handle.sync();
  } finally {
    await handle?.close();
  }
}

/** Resolves to undefined where there is nothing, or a link that leads nowhere. */
function absentAsUndefined<T>(looking: Promise<T>): Promise<T | undefined> {
  return looking.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ELOOP") return undefined;
    throw error;
  });
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

/** Turns the system's errors, whose text has paths, into ours. */
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
