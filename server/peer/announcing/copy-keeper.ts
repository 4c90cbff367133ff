import type { Torrent } from "#core/torrent/torrent.ts";
import type { ServedStore } from "../stores/served-torrents.ts";

/** The peer that serves the copies. */
export interface CopyServing {
  /** The store of a torrent that the peer serves apart from copies. */
  storeOf(infoHash: string): ServedStore | undefined;
  /** Whether trackers list this peer under that URL. */
  isSelf(url: string): boolean;
  addCopies(torrent: Torrent, store: ServedStore): void;
  removeCopies(infoHash: string): void;
  changed(infoHash: string): void;
}

/** The space that the operator lends for copies. */
export interface CopySpace {
  readonly capacityBytes: number;
  readonly usedBytes: number;
  /** Neither used nor promised to an order. */
  readonly freeBytes: number;
  /** Bytes copied since the start. */
  readonly copiedBytes: number;
}

/** Keeps copies for the swarm, in this process or another one. */
export interface CopyKeeper {
  /** Serves the copies that are there. */
  start(serving: CopyServing): Promise<void>;
  /** Missing if another process keeps the copies and this one only serves them. */
  space?(): CopySpace;
  /** Copies nothing more. */
  leave(): void;
  stop(): Promise<void>;
}
