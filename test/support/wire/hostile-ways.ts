import { createGrpcWebTransport } from "@connectrpc/connect-web";
import type { Clock } from "#core/base/clock.ts";
import type { RemotePeer } from "#core/ports/peer.ts";
import type { SwarmKey } from "#core/ports/tracker.ts";
import { cappedFetch } from "#core/rpc/capped-fetch.ts";
import { remotePeer } from "#core/rpc/rpc.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import { openTransport } from "../../../server/http/client/transports.ts";
import { grpcPeer } from "../../../server/peer/transports/grpc-peer.ts";
import { socketPeer } from "../../../server/peer/transports/socket-peer.ts";

/** Everything that a downloader of ours reaches a peer over; "fetch" is what a page does. */
export const ways = ["grpc", "connect", "grpc-web", "sockets", "sessions", "fetch"] as const;
export type Way = (typeof ways)[number];

/** How much faster than the real one the clock of a call goes: the whole deadline of a small piece is then 3 s. */
const HURRY = 12;
const hurriedClock = (hurry: number): Clock => ({
  now: () => performance.now() * hurry,
  after(ms, fn) {
    const timer = setTimeout(fn, ms / hurry);
    return () => clearTimeout(timer);
  },
});
const STALL_MS = 24_000;

/**
 * A peer as our programs would open it, but for the hurry. Where somebody honest is to be waited for, there is none.
 */
export function openWay(
  way: Way,
  url: string,
  swarm: SwarmKey,
  geometry: PieceGeometry,
  hurry = HURRY,
): RemotePeer {
  const clock = hurriedClock(hurry);
  const pieceLength = () => geometry.pieceLength;
  const readMaxBytes = geometry.pieceLength + (1 << 10);
  if (way === "fetch") {
    const fetch = cappedFetch(globalThis.fetch, {
      limitBytes: readMaxBytes,
      clock,
      stallMs: STALL_MS,
    });
    const transport = createGrpcWebTransport({ baseUrl: url, fetch });
    return remotePeer({ url, transportName: "grpc-web", transport, swarm, pieceLength, clock });
  }
  const kind = way === "sockets" ? "connect" : way === "sessions" ? "grpc" : way;
  const { transport, close } = openTransport(url, kind, { readMaxBytes, stallMs: STALL_MS / hurry });
  const stock = remotePeer({ url, transportName: kind, transport, swarm, pieceLength, clock, close });
  const options = { url, infoHash: swarm.infoHash, pieceLength, clock, fallback: stock };
  if (way === "sockets") return socketPeer(options);
  return way === "sessions" ? grpcPeer(options) : stock;
}
