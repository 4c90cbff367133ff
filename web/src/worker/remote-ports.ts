import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { PeerFailed, PiezaError } from "#core/errors.ts";
import type { Hasher } from "#core/hash.ts";
import { MAX_PIECE_LENGTH, type PieceIndex } from "#core/piece.ts";
import { remoteCatalog, remotePeer, remoteSeedPeer, remoteTracker } from "#core/rpc.ts";
import { cappedFetch } from "#core/rpc-capped-fetch.ts";
import { browserClock } from "./browser-clock.ts";
import type { HostPorts } from "./host-ports.ts";

/** What an answer may have at most, each with room for its frame and trailers. */
const FRAME_BYTES = 1 << 10;
const MAX_TORRENT_BYTES = (16 << 20) + FRAME_BYTES;
const MAX_TRACKER_BYTES = 4 << 20;
const MAX_BITFIELD_BYTES = 64 << 10;

/** Catalog, trackers and peers over gRPC-Web. `origin` is the page's own: the catalog serves the page. */
export function remotePorts(
  origin: string,
  hasher: Hasher,
): Pick<HostPorts, "catalog" | "connect" | "trackersOf"> {
  return {
    catalog: remoteCatalog({ url: origin, transport: transportTo(origin, MAX_TORRENT_BYTES), hasher }),
    connect({ url, seed }, torrent, geometry) {
      checkReachable(url, origin);
      const longest = geometry?.pieceLength ?? MAX_PIECE_LENGTH;
      const transport = transportTo(url, Math.max(MAX_BITFIELD_BYTES, longest + FRAME_BYTES));
      const pieceLength = (index: PieceIndex) => geometry?.lengthOf(index) ?? MAX_PIECE_LENGTH;
      const way = { url, transport, pieceLength, clock: browserClock };
      const { infoHash, fileName, pieces } = torrent;
      if (seed) return remoteSeedPeer({ ...way, fileName });
      return remotePeer({
        ...way,
        transportName: "grpc-web",
        swarm: { infoHash, totalPieces: pieces.length },
      });
    },
    async trackersOf(torrent) {
      const urls = torrent.trackers.length > 0 ? torrent.trackers : await catalogTrackers(origin);
      return urls.map((url) => remoteTracker({ url, transport: transportTo(url, MAX_TRACKER_BYTES) }));
    },
  };
}

function transportTo(url: string, limitBytes: number) {
  return createGrpcWebTransport({ baseUrl: url, useBinaryFormat: true, fetch: fetchUpTo(limitBytes) });
}

function fetchUpTo(limitBytes: number) {
  return cappedFetch(tellingFetch, { limitBytes, clock: browserClock });
}

/** A browser says "Failed to fetch" of everything that is no answer, and keeps the reason to itself. */
async function tellingFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(input, init);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new PeerFailed("unavailable", "cannot be reached", { cause });
  }
}

/** A page from https may not ask http servers, but for the person's own machine. Throws PiezaError. */
function checkReachable(url: string, origin: string): void {
  const { protocol, hostname } = new URL(url);
  if (!origin.startsWith("https:") || protocol === "https:") return;
  if (/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return;
  throw new PiezaError("failed_precondition", "an https page cannot use a peer without https");
}

/** The trackers that the catalog tells its clients to use. */
async function catalogTrackers(origin: string): Promise<readonly string[]> {
  let trackers: unknown;
  try {
    const answer = await fetchUpTo(MAX_BITFIELD_BYTES)(`${origin}/`, {
      headers: { accept: "application/json" },
      cache: "no-store",
    });
    trackers = ((await answer.json()) as { trackers?: unknown }).trackers;
  } catch (cause) {
    throw new PiezaError("unavailable", "the catalog does not say which tracker to ask", { cause });
  }
  const urls = Array.isArray(trackers) ? trackers.filter((url) => typeof url === "string") : [];
  if (urls.length === 0) throw new PiezaError("not_found", "neither torrent nor catalog names a tracker");
  return urls;
}
