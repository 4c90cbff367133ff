import { PiezaError } from "#core/base/errors.ts";
import type { Hasher } from "#core/base/hash.ts";
import { AnswerBuffers } from "#core/rpc/answer-buffers.ts";
import {
  remoteCatalog,
  remoteLegacyPeer,
  remotePeer,
  remoteTracker,
  remoteUploadPeer,
} from "#core/rpc/rpc.ts";
import { watchSwarm } from "#core/rpc/watch.ts";
import { MAX_PIECE_LENGTH, type PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { MAX_TORRENT_JSON_BYTES } from "#core/torrent/torrent-json.ts";
import { MAX_TRACKERS } from "#core/torrent/torrent-remarks.ts";
import { PageFailure } from "../base/trouble.ts";
import { browserClock } from "./browser-clock.ts";
import { catalogOverview } from "./catalog-overview.ts";
import type { HostPorts } from "./host-ports.ts";
import {
  NO_STALL_LIMIT_MS,
  transportTo,
  transportToChange,
  transportToPeer,
  whyUnreachable,
} from "./transport.ts";

/** Largest answers, each with room for its frame and trailers. */
const FRAME_BYTES = 1 << 10;
const MAX_TORRENT_BYTES = MAX_TORRENT_JSON_BYTES + FRAME_BYTES;
const MAX_TRACKER_BYTES = 4 << 20;
const MAX_BITFIELD_BYTES = 64 << 10;
/** All messages of one watch. A longer watch fails and is started again. */
const MAX_WATCH_BYTES = 32 << 20;
/** A tracker sends a message every 15 s. */
const WATCH_STALL_MS = 40_000;

/** Catalog, trackers and peers over gRPC-Web. `origin` is the origin of the page, which the catalog serves. */
export function remotePorts(
  origin: string,
  hasher: Hasher,
): Omit<HostPorts, "storage" | "hasher" | "random" | "post"> {
  let ownTrackers: readonly string[] = [];
  const buffers = new AnswerBuffers();
  const catalogAt = (url: string, stallMs?: number, token?: string) =>
    remoteCatalog({ url, transport: transportTo(url, MAX_TORRENT_BYTES, stallMs), hasher, token });
  async function trackerUrls(torrent: Torrent): Promise<readonly string[]> {
    let named = torrent.trackers;
    if (named.length === 0)
      named = await catalogOverview(origin).then(
        ({ trackers }) => trackers,
        // With trackers of the person, a torrent from a file or URL needs no catalog.
        (error) => (ownTrackers.length > 0 ? [] : Promise.reject(error)),
      );
    const urls = [...new Set([...named, ...ownTrackers])];
    if (urls.length === 0) throw new PiezaError("not_found", "neither torrent nor catalog names a tracker");
    return urls;
  }

  return {
    catalog: catalogAt(origin),
    catalogFor: (token) => catalogAt(origin, NO_STALL_LIMIT_MS, token),
    catalogAt: (url) => catalogAt(url),
    async trackersAt(url) {
      const { trackers } = await catalogOverview(url).catch(() => ({ trackers: [] }));
      return trackers
        .filter((tracker) => whyUnreachable(tracker, origin) === undefined)
        .slice(0, MAX_TRACKERS);
    },
    async uploadPeers({ infoHash, pieces }, token) {
      const { uploadPeers: urls } = await catalogOverview(origin);
      if (urls.length === 0)
        throw new PageFailure("no_upload_peer", "not_found", "this catalog names no peer that takes uploads");
      const reachable = urls.filter((url) => whyUnreachable(url, origin) === undefined);
      if (reachable.length === 0)
        throw new PageFailure("insecure_peer", "failed_precondition", whyUnreachable(urls[0]!, origin)!);
      const swarm = { infoHash, totalPieces: pieces.length };
      return reachable.map((url) => {
        const transport = transportToChange(url, MAX_BITFIELD_BYTES);
        return remoteUploadPeer({ url, transport, swarm, clock: browserClock, token });
      });
    },
    connect({ url, legacy }, torrent, geometry) {
      const problem = whyUnreachable(url, origin);
      if (problem !== undefined) throw new PiezaError("failed_precondition", problem);
      const longest = geometry?.pieceLength ?? MAX_PIECE_LENGTH;
      const transport = transportToPeer(url, Math.max(MAX_BITFIELD_BYTES, longest + FRAME_BYTES), buffers);
      const pieceLength = (index: PieceIndex) => geometry?.lengthOf(index) ?? MAX_PIECE_LENGTH;
      const way = { url, transport, pieceLength, clock: browserClock };
      const { infoHash, fileName, pieces } = torrent;
      if (legacy) return remoteLegacyPeer({ ...way, fileName });
      return remotePeer({
        ...way,
        transportName: "grpc-web",
        swarm: { infoHash, totalPieces: pieces.length },
        release: ({ buffer }) => buffers.give(buffer as ArrayBuffer),
      });
    },
    useTrackers(urls) {
      ownTrackers = urls;
    },
    async watch(torrent, onSwarm, signal) {
      const swarm = { infoHash: torrent.infoHash, totalPieces: torrent.pieces.length };
      let problem: unknown;
      for (const url of await trackerUrls(torrent)) {
        const transport = transportTo(url, MAX_WATCH_BYTES, WATCH_STALL_MS);
        // A watch ends only by failing.
        problem = await watchSwarm({ transport, swarm }, onSwarm, signal).catch((error: unknown) => error);
        signal.throwIfAborted();
      }
      throw problem;
    },
    async trackersOf(torrent) {
      const urls = await trackerUrls(torrent);
      return urls.map((url) => remoteTracker({ url, transport: transportTo(url, MAX_TRACKER_BYTES) }));
    },
  };
}
