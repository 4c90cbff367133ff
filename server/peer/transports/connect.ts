import { PeerFailed } from "#core/base/errors.ts";
import { isPeerUrl } from "#core/base/server-url.ts";
import type { RemotePeer } from "#core/ports/peer.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { proxyFor } from "../../http/client/proxy.ts";
import type { Reach } from "../../http/client/reach.ts";
import type { TransportKind } from "../../http/client/transports.ts";
import type { NamedPeer } from "./connect-clients.ts";
import { LatePeer } from "./late-peer.ts";
import { type OpenTracker, PlainTracker } from "./plain-tracker.ts";
import { socketPeer } from "./socket-peer.ts";

/** How a download reaches trackers and peers. */
export interface Ways {
  /**
   * Of http URLs, "auto" means plain sockets and "grpc" our own HTTP/2 sessions. The Connect library carries
   * "connect", "grpc-web", and everything to https URLs and through proxies.
   */
  readonly transport: TransportKind | "auto";
  /** PEM, to trust besides the system's certificates. */
  readonly ca: string | undefined;
  /** Which of the peers that trackers name may be dialled. */
  readonly reach: Reach;
}

// Loading the library takes longer than all else before a download's first request; most downloads never need it.
const loadClients = () => import("./connect-clients.ts");

/** A client of one peer. Opens no connection yet. Throws PeerFailed for a URL that is no peer's or out of reach. */
export function connectPeer(
  torrent: Torrent,
  { transport, ca, reach }: Ways,
  { url, legacy, pieceLength }: NamedPeer,
): RemotePeer {
  if (!isPeerUrl(url)) throw new PeerFailed("invalid_argument", "its URL is not that of a peer");
  const lookup = reach.lookupTo(url);
  const kind = legacy ? "grpc" : transport === "auto" ? "connect" : transport;
  const fallback = new LatePeer(url, legacy ? "seed" : kind, async () => {
    const { peerClient } = await loadClients();
    return peerClient({ url, legacy, kind, torrent, pieceLength, ca, lookup });
  });
  if (legacy || !isPlain(url)) return fallback;
  const options = { url, infoHash: torrent.infoHash, pieceLength, clock: nodeClock, lookup, fallback };
  if (transport === "auto") return socketPeer(options);
  if (transport !== "grpc") return fallback;
  return new LatePeer(url, kind, async () => (await import("./grpc-peer.ts")).grpcPeer(options));
}

/** Whether our own connections reach the URL: they support neither TLS nor proxies. */
function isPlain(url: string): boolean {
  return url.startsWith("http://") && !proxyFor(url);
}

/**
 * A client of one tracker: over plain sockets with "auto" and an http URL, else over the library's gRPC. The peers that
 * it names come within reach.
 */
export async function openTracker(url: string, { transport, ca, reach }: Ways): Promise<OpenTracker> {
  const lookup = reach.lookupOf(url);
  const load = async () => (await loadClients()).trackerClient(url, ca, lookup);
  const tracker = transport === "auto" && isPlain(url) ? new PlainTracker(url, load, lookup) : await load();
  return {
    url,
    announce: (announce, signal) => tracker.announce(announce, signal),
    async locate(query, signal) {
      const table = await tracker.locate(query, signal);
      await reach.named(
        url,
        table.peers.map((peer) => peer.url),
      );
      return table;
    },
    close: () => tracker.close(),
  };
}
