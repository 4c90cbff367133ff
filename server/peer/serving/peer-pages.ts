import type { HttpResponse } from "../../http/base/http-types.ts";
import type { PlainHttp } from "../../http/handling/options.ts";
import type { ServedTorrents } from "../stores/served-torrents.ts";
import type { PeerMetrics } from "./peer-metrics.ts";
import { servePiece } from "./raw-pieces.ts";
import type { Uploads } from "./uploads.ts";

/**
 * The plain HTTP pages of a peer, beside its RPCs: `/`, `/metrics` and `/pieces/...`, for people, curl, caches and
 * Prometheus. Resolves to false for other paths and methods.
 */
export function peerPages(torrents: ServedTorrents, uploads: Uploads, metrics: PeerMetrics): PlainHttp {
  return async (request, response, { path, caller }) => {
    if (request.method !== "GET" && request.method !== "HEAD") return false;
    if (path === "/") {
      sendText(response, "application/json", `${JSON.stringify(overview(torrents), null, 2)}\n`);
      return true;
    }
    if (path === "/metrics") {
      sendText(response, metrics.contentType, await metrics.text());
      return true;
    }
    return servePiece(path, { request, response, address: caller.address }, uploads);
  };
}

/** Torrents named at `/`, at most. */
const MAX_LISTED = 1_000;

function overview(torrents: ServedTorrents) {
  const listed = [];
  for (const { torrent, store } of torrents) {
    if (listed.length === MAX_LISTED) break;
    listed.push({
      info_hash: torrent.infoHash,
      file_name: torrent.fileName,
      total_pieces: torrent.pieces.length,
      pieces_held: store.held.count,
    });
  }
  return {
    service: "pieza peer",
    endpoints: {
      pieces: "/pieces/<info_hash>/<number>",
      rpc: "/pieza.v1.PeerService/<Identify, GetTorrent, GetBitfield or GetPiece>",
      health: "/healthz",
      metrics: "/metrics",
    },
    torrents: listed,
  };
}

function sendText(response: HttpResponse, type: string, text: string): void {
  response.setHeader("content-type", type);
  response.setHeader("cache-control", "no-store");
  response.end(text);
}
