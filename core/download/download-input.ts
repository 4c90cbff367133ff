import type { Bitfield } from "../base/bitfield.ts";
import type { Clock, Random } from "../base/clock.ts";
import type { Hasher } from "../base/hash.ts";
import type { RateLimit } from "../base/rate-limit.ts";
import type { RemotePeer } from "../ports/peer.ts";
import type { PieceStore } from "../ports/store.ts";
import type { Tracker } from "../ports/tracker.ts";
import type { PieceIndex } from "../torrent/piece.ts";
import type { Torrent } from "../torrent/torrent.ts";
import type { PieceSource } from "./learned-pieces.ts";
import type { DownloadOptions } from "./options.ts";

/** What a download works with: its torrent, the ports to the world, and how it is to behave. */
export interface DownloadInput {
  readonly torrent: Torrent;
  /** Opened and closed by the caller; pieces held already are not asked for. */
  readonly store: PieceStore;
  /** The pieces to get, by default all; the download is complete when these are held. */
  readonly wanted?: Bitfield | undefined;
  /** Of the pieces held, those that were fetched for this download before it began. */
  readonly learned?: ReadonlyMap<PieceIndex, PieceSource> | undefined;
  readonly trackers: readonly Tracker[];
  /** Makes the way to a peer, or to a legacy peer. A PiezaError thrown here means: cannot be used from here, and why. */
  readonly connect: (url: string, legacy: boolean) => RemotePeer;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly random: Random;
  readonly options?: DownloadOptions;
  /** What is asked for keeps to this rate; several downloads may share one. Default: no limit. */
  readonly limit?: RateLimit | undefined;
  /** A piece was verified and stored. */
  readonly onHeld?: (index: PieceIndex) => void;
  /** True for an address that is this downloader's own: the tracker names it like any other. */
  readonly isSelf?: (url: string) => boolean;
}
