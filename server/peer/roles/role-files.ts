import { mkdirSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { CopiesNews } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import type { Announced, AnnouncedTorrent } from "#core/ports/tracker.ts";
import type { Log } from "../../http/base/log.ts";
import { type Lock, takeLock } from "../stores/lock.ts";

/**
 * The files through which the processes of one peer exchange data, in the peer's folder. Each file has one writer:
 *
 *     serving.json          serve      its address
 *     served/HASH.json      serve      what it holds of one torrent
 *     identify-keys.json    announce   keys that Identify answers with
 *     answers.json          announce   what trackers answered
 *     news.json             replicate  what to tell the trackers
 *     PART.lock             PART       held while the part runs
 */
export function roleFiles(folder: string) {
  const at = (...names: string[]) => join(folder, "roles", ...names);
  return {
    serving: at("serving.json"),
    served: at("served"),
    servedTorrent: (infoHash: string) => at("served", `${infoHash}.json`),
    identifyKeys: at("identify-keys.json"),
    answers: at("answers.json"),
    news: at("news.json"),
  };
}

/**
 * Creates the folder of these files, for this user only. Fails with failed_precondition if it was there and another
 * user can write to it: whoever can replace these files commands the peer, and reads its keys.
 */
export function ownRoleFolder(folder: string): void {
  mkdirSync(join(folder, "roles"), { recursive: true, mode: 0o700 });
  const user = process.getuid?.();
  if (user === undefined) return;
  for (const path of [folder, join(folder, "roles")]) {
    const { uid, mode } = statSync(path);
    if ((uid === user || uid === 0) && (mode & OTHERS_WRITE) === 0) continue;
    throw new PiezaError(
      "failed_precondition",
      `${path} can be written by another user: remove it, or make it yours alone (chown, chmod 700)`,
    );
  }
}

const OTHERS_WRITE = 0o002;

/**
 * Locks a part of a peer for this process. Fails as ownRoleFolder does, and with failed_precondition that names the
 * owner while another process has the lock. The serving part needs no lock: it has the port.
 */
export function lockRole(folder: string, part: "announce" | "replicate"): Lock {
  ownRoleFolder(folder);
  return takeLock(join(folder, "roles", `${part}.lock`), `the part "${part}" of this peer`);
}

/** Info hashes of the torrents that have a file in the folder `served`. */
export async function servedInfoHashes(served: string): Promise<string[]> {
  const names = await readdir(served).catch(() => []);
  return names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name)).map((name) => name.slice(0, 64));
}

/** Logs an error in reading or writing these files. */
export function warnOfRoleFiles(log: Log | undefined): (error: unknown) => void {
  return (error) => {
    const message = `cannot exchange files with the other processes of this peer: ${String(error)}`;
    log?.({ level: "warn", event: "role_files", message });
  };
}

/** The part of a tracker's answer that concerns copies. */
export interface TrackerAnswer {
  /** The tracker's URL. */
  readonly url: string;
  /** Grows with every answer, across trackers and restarts. */
  readonly number: number;
  readonly answer: Pick<
    Announced,
    "trackerId" | "url" | "nextAnnounceMs" | "orders" | "grants" | "lastCopies"
  >;
}

/** By the tracker's URL. */
export type TrackerAnswers = Readonly<Record<string, TrackerAnswer>>;

/** News for one tracker from a process that has read its answer number `heard`. */
export interface TrackerNews {
  readonly heard: number;
  readonly news: CopiesNews;
}

export interface AllNews {
  /** Wall-clock milliseconds of the write; the replicating process writes at least every few seconds. */
  readonly atMs: number;
  /** By the tracker's URL; "" for trackers that have not answered yet. */
  readonly trackers: Readonly<Record<string, TrackerNews>>;
}

/** A torrent and the pieces of it that the serving process holds. */
export type HeldTorrent = AnnouncedTorrent & { readonly bitfield: Bitfield };

type TorrentContent = Omit<AnnouncedTorrent, "bitfield"> & { readonly bitfield: string };

export function encodeTorrent({ bitfield, ...torrent }: AnnouncedTorrent): TorrentContent {
  const bytes = bitfield && Buffer.from(bitfield.toBytes()).toString("base64");
  return { ...torrent, bitfield: bytes ?? "" };
}

export function decodeTorrent(content: unknown): HeldTorrent {
  const { bitfield, ...torrent } = content as TorrentContent;
  if (!isSha256Hex(torrent.infoHash)) throw new Error("the info hash is malformed");
  return { ...torrent, bitfield: Bitfield.fromBytes(torrent.totalPieces, Buffer.from(bitfield, "base64")) };
}
