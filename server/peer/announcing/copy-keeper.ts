import type { Torrent } from "#core/torrent/torrent.ts";
import type { ServedStore } from "../stores/served-torrents.ts";

/** The peer that serves what is copied, besides what it has elsewhere. */
export interface CopyServing {
  /** What it serves that is no copy. */
  storeOf(infoHash: string): ServedStore | undefined;
  /** Whether it is known by that URL. */
  isSelf(url: string): boolean;
  addCopies(torrent: Torrent, store: ServedStore): void;
  removeCopies(infoHash: string): void;
  changed(infoHash: string): void;
}

/** The room that is lent, and what came of it. */
export interface CopySpace {
  readonly capacityBytes: number;
  readonly usedBytes: number;
  /** Neither taken nor promised to any order. */
  readonly freeBytes: number;
  /** Copied since the start. */
  readonly copiedBytes: number;
}

/** Who keeps copies, in this process or in another one. */
export interface CopyKeeper {
  /** Serves what is there. */
  start(serving: CopyServing): Promise<void>;
  /** Left out by who only serves what another process keeps. */
  space?(): CopySpace;
  /** Keeps nothing new. */
  leave(): void;
  stop(): Promise<void>;
}
