import type { RemotePeer } from "#core/ports/peer.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { proxyFor } from "../../http/client/proxy.ts";
import type { TransportKind } from "../../http/client/transports.ts";
import { LatePeer } from "./late-peer.ts";
import { PlainTracker } from "./plain-tracker.ts";
import { socketPeer } from "./socket-peer.ts";

/** How a download reaches trackers and peers. */
export interface Ways {
  /** What speaks http: "auto" by plain sockets, "grpc" by our own sessions. The rest, and "connect", by the library. */
  readonly transport: TransportKind | "auto";
  /** PEM, to trust besides the system's certificates. */
  readonly ca: string | undefined;
}

export interface NamedPeer {
  readonly url: string;
  /** Registered under the seed's contract. */
  readonly seed: boolean;
  readonly pieceLength: (index: PieceIndex) => number;
}

// The library takes longer to load than everything else before a download's first request, and most need none of it.
const loadStock = () => import("./connect-clients.ts");

/** The way to one peer. A seed peer may speak nothing but gRPC. */
export function connectPeer(
  torrent: Torrent,
  { transport, ca }: Ways,
  { url, seed, pieceLength }: NamedPeer,
): RemotePeer {
  const kind = seed ? "grpc" : transport === "auto" ? "connect" : transport;
  const stock = new LatePeer(url, seed ? "seed" : kind, async () => {
    const { stockPeer } = await loadStock();
    return stockPeer({ url, seed, kind, torrent, pieceLength, ca });
  });
  if (seed || !isPlain(url)) return stock;
  const own = { url, infoHash: torrent.infoHash, pieceLength, clock: nodeClock, stock };
  if (transport === "auto") return socketPeer(own);
  if (transport !== "grpc") return stock;
  return new LatePeer(url, kind, async () => (await import("./grpc-peer.ts")).grpcPeer(own));
}

/** What our own connections can do: neither TLS nor proxies. */
function isPlain(url: string): boolean {
  return url.startsWith("http://") && !proxyFor(url);
}

export type OpenTracker = Tracker & { close(): void };

/** Trackers are asked over gRPC unless pieces come over plain sockets. */
export async function openTracker(url: string, { transport, ca }: Ways): Promise<OpenTracker> {
  if (transport !== "auto" || !isPlain(url)) {
    const { tracker, close } = (await loadStock()).stockTracker(url, ca);
    return { ...tracker, close };
  }
  return new PlainTracker(url, async () => (await loadStock()).stockTracker(url, ca));
}
