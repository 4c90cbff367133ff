import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { CopiesNews } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import type { Announced, AnnouncedTorrent } from "#core/ports/tracker.ts";
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
 * Locks a part of a peer for this process. Fails with failed_precondition that names the owner while another process
 * has the lock. The serving part needs no lock: it has the port.
 */
export function lockRole(folder: string, part: "announce" | "replicate"): Lock {
  mkdirSync(join(folder, "roles"), { recursive: true, mode: 0o700 });
  return takeLock(join(folder, "roles", `${part}.lock`), `the part "${part}" of this peer`);
}

/** Format of these files. A file of another version is ignored. */
const VERSION = 1;

interface Told {
  readonly version: typeof VERSION;
}

/** The address of the serving process. */
export interface ToldServing {
  readonly host: string;
  readonly port: number;
  readonly publicUrl?: string;
  readonly tls: boolean;
}

/** The part of a tracker's answer that concerns copies. */
export interface ToldAnswer {
  /** The tracker's URL. */
  readonly url: string;
  /** Grows with every answer, across trackers and restarts. */
  readonly number: number;
  readonly answer: Pick<
    Announced,
    "trackerId" | "url" | "nextAnnounceMs" | "orders" | "grants" | "lastCopies"
  >;
}

/** By tracker id. */
export type ToldAnswers = Readonly<Record<string, ToldAnswer>>;

/** News for one tracker from a process that has read its answer number `heard`. */
export interface ToldNews {
  readonly heard: number;
  readonly news: CopiesNews;
}

export interface AllNews {
  /** Wall-clock milliseconds of the write; the replicating process writes at least every few seconds. */
  readonly atMs: number;
  /** By tracker id; "" for trackers whose id is not known yet. */
  readonly trackers: Readonly<Record<string, ToldNews>>;
}

/** Adds the version to the content of a file. */
export function told<T extends object>(value: T): T & Told {
  return { version: VERSION, ...value };
}

/**
 * Returns the content of a file without its version; throws for another version. The content is not checked, because
 * both processes run the same program.
 */
export function heard<T>(value: unknown): T {
  if ((value as Partial<Told> | null)?.version !== VERSION) throw new Error("another version");
  const { version: _, ...content } = value as Told;
  return content as T;
}

export function tellTorrent({ bitfield, ...torrent }: AnnouncedTorrent) {
  const bytes = bitfield && Buffer.from(bitfield.toBytes()).toString("base64");
  return told({ ...torrent, bitfield: bytes ?? "" });
}

export function hearTorrent(value: unknown): AnnouncedTorrent & { readonly bitfield: Bitfield } {
  const { bitfield, ...torrent } = heard<Omit<AnnouncedTorrent, "bitfield"> & { bitfield: string }>(value);
  if (!isSha256Hex(torrent.infoHash)) throw new Error("no torrent");
  return { ...torrent, bitfield: Bitfield.fromBytes(torrent.totalPieces, Buffer.from(bitfield, "base64")) };
}
