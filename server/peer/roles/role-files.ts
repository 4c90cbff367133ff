import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { CopiesNews } from "#core/announce/announcer.ts";
import { Bitfield } from "#core/base/bitfield.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import type { Announced, AnnouncedTorrent } from "#core/ports/tracker.ts";
import { type Lock, takeLock } from "../stores/lock.ts";

/**
 * What the processes of one peer tell each other, in its folder. Each file has one writer:
 *
 *     serving.json          serve      where it serves
 *     served/HASH.json      serve      what it has of one torrent
 *     identify-keys.json    announce   what Identify has to know
 *     answers.json          announce   what trackers answered
 *     news.json             replicate  what trackers are to be told
 *     PART.lock             PART       that it runs
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
 * One process at a time is a part of a peer. Fails with failed_precondition, naming it, while another is. The serving
 * part needs no lock: it has the port.
 */
export function lockRole(folder: string, part: "announce" | "replicate"): Lock {
  mkdirSync(join(folder, "roles"), { recursive: true, mode: 0o700 });
  return takeLock(join(folder, "roles", `${part}.lock`), `the part "${part}" of this peer`);
}

/** Of these files; another version's are no news. */
const VERSION = 1;

interface Told {
  readonly version: typeof VERSION;
}

/** Where the serving process serves. */
export interface ToldServing {
  readonly host: string;
  readonly port: number;
  readonly publicUrl?: string;
  readonly tls: boolean;
}

/** What a tracker answered that concerns copies. */
export interface ToldAnswer {
  /** Of the tracker. */
  readonly url: string;
  /** Grows with every answer, over all trackers and restarts. */
  readonly number: number;
  readonly answer: Pick<
    Announced,
    "trackerId" | "url" | "nextAnnounceMs" | "orders" | "grants" | "lastCopies"
  >;
}

/** By tracker id. */
export type ToldAnswers = Readonly<Record<string, ToldAnswer>>;

/** What one tracker is to be told, by who has heard its answer of that number. */
export interface ToldNews {
  readonly heard: number;
  readonly news: CopiesNews;
}

export interface AllNews {
  /** Wall-clock milliseconds: who replicates says something at least every few seconds. */
  readonly atMs: number;
  /** By tracker id; "" for those whose id is not known yet. */
  readonly trackers: Readonly<Record<string, ToldNews>>;
}

/** As a file's content. */
export function told<T extends object>(value: T): T & Told {
  return { version: VERSION, ...value };
}

/** Of this version, or nothing; both processes are the same program, so the rest is believed. */
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
