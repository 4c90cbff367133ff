import type { Bitfield } from "#core/base/bitfield.ts";
import type { RateLimit } from "#core/base/rate-limit.ts";
import { Download } from "#core/download/download.ts";
import type { PieceStore } from "#core/ports/store.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { connectPeer, type Ways } from "../transports/connect.ts";

/** Copies ask little of each peer, so that they do not slow down its downloaders. */
const MAX_IN_FLIGHT_PER_PEER = 4;
const MAX_IN_FLIGHT_BYTES = 16 << 20;

export interface VolunteerCopyOptions extends Pick<Ways, "ca" | "reach"> {
  readonly torrent: Torrent;
  readonly store: PieceStore;
  /** Names the peers that have the pieces. */
  readonly sources: Tracker;
  readonly limit: RateLimit | undefined;
  readonly isSelf: (url: string) => boolean;
  readonly onHeld: (index: PieceIndex) => void;
  /** Called when all wanted pieces are held, or with the failure that ended the copy. */
  readonly onEnded: (failure: unknown) => void;
}

/** Downloads some pieces of a torrent into a store that is never given its final name. */
export function startCopy(
  { torrent, store, sources, ca, reach, onEnded, ...options }: VolunteerCopyOptions,
  wanted: Bitfield,
): Download {
  const download = new Download({
    ...options,
    torrent,
    store: unfinished(store),
    wanted,
    trackers: [sources],
    connect: (url, seed) => {
      const pieceLength = (index: PieceIndex) => store.geometry.lengthOf(index);
      return connectPeer(torrent, { transport: "auto", ca, reach }, { url, legacy: seed, pieceLength });
    },
    hasher: nodeHasher,
    clock: nodeClock,
    random: Math.random,
    options: { maxInFlightPerPeer: MAX_IN_FLIGHT_PER_PEER, maxInFlightBytes: MAX_IN_FLIGHT_BYTES },
  });
  void download.whenDone.then(({ state }) => {
    if (state !== "stopped") onEnded(download.failure);
  });
  download.start();
  return download;
}

/** The store without its last steps: a volunteer's part of a torrent is never finished or closed by a download. */
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
