import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { PeerService as LegacyPeerService } from "#gen/tracker_pb.ts";
import { directGetTorrent } from "../../http/direct/direct-torrent.ts";
import { type ServedService, served } from "../../http/handling/served-service.ts";
import type { ServedTorrents } from "../stores/served-torrents.ts";
import { directDownloadPiece, directGetPiece } from "./direct-pieces.ts";
import { legacyPeerService } from "./legacy-contract.ts";
import { peerService } from "./service.ts";
import { storePiecePolicy, storePieceService } from "./store-piece.ts";
import type { StoredTorrents } from "./stored-torrents.ts";
import type { Uploads } from "./uploads.ts";

/** Pieces are large and mostly compressed already: to compress them again costs more than half of the speed. */
const plain = { compressed: false } as const;

/** What the reading calls of a peer are held to. */
export const peerPolicies = {
  identify: plain,
  getTorrent: plain,
  getBitfield: plain,
  getPiece: plain,
} as const;

/** Legacy methods that change nothing, although their proto does not say so. */
const plainRead = { compressed: false, changes: false } as const;

/** What the calls of the legacy PeerService are held to. */
export const legacyPeerPolicies = { hasPiece: plainRead, downloadPiece: plainRead } as const;

interface ServedPeerParts {
  readonly torrents: ServedTorrents;
  readonly uploads: Uploads;
  readonly identifyKeys: readonly Uint8Array[];
  /** Undefined: this peer takes no uploads. */
  readonly stored: { readonly torrents: StoredTorrents; readonly token: string | undefined } | undefined;
}

/** PeerService of this peer, with what its calls are held to. */
export function servedPeer({ torrents, uploads, identifyKeys, stored }: ServedPeerParts): ServedService {
  const { getTorrent } = PeerService.method;
  const reads = peerService(torrents, uploads, identifyKeys);
  return served(PeerService, stored ? { ...reads, ...storePieceService(stored.torrents) } : reads, {
    policies: { ...peerPolicies, storePiece: storePiecePolicy(stored?.token) },
    direct: {
      getPiece: directGetPiece(uploads),
      getTorrent: directGetTorrent(getTorrent, ({ infoHash }) => torrents.find(infoHash)),
    },
  });
}

/** The legacy PeerService of this peer, with what its calls are held to. */
export function servedLegacyPeer(torrents: ServedTorrents, uploads: Uploads): ServedService {
  return served(LegacyPeerService, legacyPeerService(torrents, uploads), {
    policies: legacyPeerPolicies,
    direct: { downloadPiece: directDownloadPiece(torrents, uploads) },
  });
}
