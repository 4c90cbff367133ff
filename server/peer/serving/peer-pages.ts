import { contentPath, parseContentPath } from "#core/content/content-path.ts";
import type { HttpResponse } from "../../http/base/http-types.ts";
import { say } from "../../http/handling/node-call.ts";
import type { PlainHttp } from "../../http/handling/options.ts";
import type { ServedTorrents } from "../stores/served-torrents.ts";
import { type ContentParts, serveContent } from "./content.ts";
import type { PeerMetrics } from "./peer-metrics.ts";
import { servePiece } from "./raw-pieces.ts";

export interface PeerPagesParts {
  readonly torrents: ServedTorrents;
  readonly metrics: PeerMetrics;
  readonly content: ContentParts;
}

/**
 * The plain HTTP of a peer beside its RPCs, for people, curl, caches and Prometheus: `/`, `/metrics`, `/content/...`
 * and `/pieces/...`.
 */
export function peerPages({ torrents, metrics, content }: PeerPagesParts): PlainHttp {
  return async (request, response, { path, caller: { address }, pace }) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      if (!parseContentPath(path)) return false;
      response.setHeader("allow", "GET, HEAD");
      say(response, 405, "only GET and HEAD are allowed here");
      return true;
    }
    if (path === "/") {
      sendText(response, "application/json", `${JSON.stringify(overview(torrents), null, 2)}\n`);
      return true;
    }
    if (path === "/metrics") {
      sendText(response, metrics.contentType, await metrics.text());
      return true;
    }
    // The pace gate has been passed.
    const answered = await serveContent(path, { request, response, pace: pace!, address }, content);
    return answered || servePiece(path, { request, response, address }, content.uploads);
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
      ...(store.held.complete && { content: contentPath(torrent.infoHash, [], true) }),
    });
  }
  return {
    service: "pieza peer",
    endpoints: {
      content: "/content/<info_hash>/<file_name>",
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
