import type { Random } from "#core/base/clock.ts";
import type { Hasher } from "#core/base/hash.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import type { RemotePeer } from "#core/ports/peer.ts";
import type { SwarmPeer, Tracker } from "#core/ports/tracker.ts";
import type { UploadPeer } from "#core/ports/upload-peer.ts";
import type { WatchedCopies, WatchedPeer } from "#core/rpc/watch.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { StorageInfo, WorkerMessage } from "../base/messages.ts";

/** A peer as a tracker names it: where it is, and whether it only knows the seed's contract. */
export type PeerContact = Pick<SwarmPeer, "url" | "seed">;

/** What the worker's downloads need of the world. */
export interface HostPorts {
  readonly catalog: Catalog;
  /** The same catalog, for publishing and deleting. */
  catalogFor(token: string | undefined): Catalog;
  /**
   * The peers to which the catalog sends publishers, with the token that is good there too. At least one, else fails
   * with not_found, or with what says why a page cannot use them.
   */
  uploadPeers(torrent: Torrent, token: string | undefined): Promise<readonly UploadPeer[]>;
  readonly storage: StorageInfo;
  readonly hasher: Hasher;
  readonly random: Random;
  /** `geometry` is undefined while it is being learned. Throws PiezaError where a page may not reach the peer, and says why. */
  connect(peer: PeerContact, torrent: Torrent, geometry: PieceGeometry | undefined): RemotePeer;
  /** Trackers to ask besides those of torrents and the catalog, from now on. */
  useTrackers(urls: readonly string[]): void;
  /**
   * The torrent's own trackers, else those that the catalog names, and those of the person. At least one, else fails
   * with not_found.
   */
  trackersOf(torrent: Torrent): Promise<readonly Tracker[]>;
  /** Watches at the first tracker that answers, as watchSwarm in core/rpc/watch.ts. */
  watch(
    torrent: Torrent,
    onSwarm: (peers: readonly WatchedPeer[], copies: WatchedCopies) => void,
    signal: AbortSignal,
  ): Promise<void>;
  post(message: WorkerMessage): void;
}
