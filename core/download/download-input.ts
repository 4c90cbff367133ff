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

/** A download's torrent, its ports to the world, and its options. */
export interface DownloadInput {
  readonly torrent: Torrent;
  /** Opened and closed by the caller. Pieces that it holds are not requested. */
  readonly store: PieceStore;
  /** The pieces to get, by default all. The download is complete when these are held. */
  readonly wanted?: Bitfield | undefined;
  /** The download never completes, because readers may need more pieces later: see Download.focus. Default false. */
  readonly openEnded?: boolean | undefined;
  /** The held pieces that were fetched for this download before it began. */
  readonly learned?: ReadonlyMap<PieceIndex, PieceSource> | undefined;
  /** In order of preference; at least one. */
  readonly trackers: readonly Tracker[];
  /** Makes the client of a peer. A PiezaError thrown here says why the peer cannot be used from here. */
  readonly connect: (url: string, legacy: boolean) => RemotePeer;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly random: Random;
  readonly options?: DownloadOptions;
  /** Requests keep to this rate, which several downloads may share. Default: no limit. */
  readonly limit?: RateLimit | undefined;
  /** Called when a piece was verified and stored. */
  readonly onHeld?: (index: PieceIndex) => void;
  /** True for this downloader's own address, which the tracker names like any other. */
  readonly isSelf?: ((url: string) => boolean) | undefined;
}
