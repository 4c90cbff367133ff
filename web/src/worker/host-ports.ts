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

/** The address of a peer, and whether it speaks only the legacy contract. */
export type PeerContact = Pick<SwarmPeer, "url" | "legacy">;

/** Everything outside that the downloads and publications of the worker use. */
export interface HostPorts {
  readonly catalog: Catalog;
  /** The same catalog with a token, for publishing and deleting. */
  catalogFor(token: string | undefined): Catalog;
  /** Another catalog. Pages of every origin may read it. */
  catalogAt(origin: string): Catalog;
  /** The trackers that the catalog of this origin names and the page can ask. None if there is no catalog. */
  trackersAt(origin: string): Promise<readonly string[]>;
  /**
   * The upload peers that the catalog names, with the token, which they accept too. At least one: otherwise fails
   * with not_found, or with the reason why a page cannot use them.
   */
  uploadPeers(torrent: Torrent, token: string | undefined): Promise<readonly UploadPeer[]>;
  readonly storage: StorageInfo;
  readonly hasher: Hasher;
  readonly random: Random;
  /**
   * A connection to a peer. `geometry` is undefined while it is being learned. Throws PiezaError with the reason if
   * the page may not use this peer.
   */
  connect(peer: PeerContact, torrent: Torrent, geometry: PieceGeometry | undefined): RemotePeer;
  /** Sets the trackers to ask besides those of torrents and the catalog. */
  useTrackers(urls: readonly string[]): void;
  /**
   * The trackers of the torrent, else those of the catalog, and those that the person entered. At least one:
   * otherwise fails with not_found.
   */
  trackersOf(torrent: Torrent): Promise<readonly Tracker[]>;
  /** Watches the swarm at the first tracker that answers, as watchSwarm in core/rpc/watch.ts. */
  watch(
    torrent: Torrent,
    onSwarm: (peers: readonly WatchedPeer[], copies: WatchedCopies) => void,
    signal: AbortSignal,
  ): Promise<void>;
  post(message: WorkerMessage): void;
}
