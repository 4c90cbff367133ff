import type { Bitfield } from "#core/base/bitfield.ts";
import type { RateLimit } from "#core/base/rate-limit.ts";
import { Download } from "#core/download/download.ts";
import type { PieceStore } from "#core/ports/store.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { connectPeer } from "../transports/connect.ts";

/** Copies take little from whoever gives them, so that those who wait for a download do not notice. */
const MAX_IN_FLIGHT_PER_PEER = 4;
const MAX_IN_FLIGHT_BYTES = 16 << 20;

export interface VolunteerCopyOptions {
  readonly torrent: Torrent;
  readonly store: PieceStore;
  /** Who has the pieces. */
  readonly sources: Tracker;
  readonly limit: RateLimit | undefined;
  /** PEM, to trust besides the system's certificates. */
  readonly ca: string | undefined;
  readonly isSelf: (url: string) => boolean;
  readonly onHeld: (index: PieceIndex) => void;
  /** All that was wanted is here, or `failure` ended it. */
  readonly onEnded: (failure: unknown) => void;
}

/** Gets some pieces of one torrent, by the ordinary download, into a store that gets no final name. */
export class VolunteerCopy {
  readonly #download: Download;

  constructor({ torrent, store, sources, ...options }: VolunteerCopyOptions, wanted: Bitfield) {
    const download = new Download({
      torrent,
      store: unfinished(store),
      wanted,
      trackers: [sources],
      connect: (url, seed) =>
        connectPeer(
          torrent,
          { transport: "auto", ca: options.ca },
          { url, legacy: seed, pieceLength: (index) => store.geometry.lengthOf(index) },
        ),
      hasher: nodeHasher,
      clock: nodeClock,
      random: Math.random,
      options: { maxInFlightPerPeer: MAX_IN_FLIGHT_PER_PEER, maxInFlightBytes: MAX_IN_FLIGHT_BYTES },
      limit: options.limit,
      onHeld: options.onHeld,
      isSelf: options.isSelf,
    });
    this.#download = download;
    void download.whenDone.then(({ state }) => {
      if (state !== "stopped") options.onEnded(download.failure);
    });
    download.start();
  }

  /** Gets these pieces from now on. Nothing happens if it is too late for that: it is about to end. */
  want(wanted: Bitfield): void {
    this.#download.want(wanted);
  }

  /** Ends it; the store is free then. */
  stop(): Promise<void> {
    return this.#download.stop();
  }
}

/** The part of a torrent that is kept here is never the whole that would get a name. */
function unfinished(store: PieceStore): PieceStore {
  return {
    geometry: store.geometry,
    held: store.held,
    write: (index, offset, bytes) => store.write(index, offset, bytes),
    commit: (index) => store.commit(index),
    read: (index, into) => store.read(index, into),
    finish: async () => {},
    close: async () => {},
  };
}
