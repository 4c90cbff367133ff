import { RateLimit } from "#core/base/rate-limit.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { UploadBudget } from "../../http/guards/upload-budget.ts";
import { type EdgeOptions, type RunningServer, startServer } from "../../http/listening/server.ts";
import { ServedTorrents } from "../stores/served-torrents.ts";
import type { ContentParts } from "./content.ts";
import { type ContentSource, heldContent } from "./content-source.ts";
import { PeerMetrics } from "./peer-metrics.ts";
import { peerPages } from "./peer-pages.ts";
import { servedLegacyPeer, servedPeer } from "./served-peer.ts";
import type { StoredTorrents } from "./stored-torrents.ts";
import { type UploadRecord, Uploads } from "./uploads.ts";

export interface ServingOptions extends EdgeOptions {
  /** Bytes of pieces in memory on their way to callers, at most. Default 64 MiB. */
  readonly maxInFlightBytes?: number | undefined;
  /** Bytes a second that all callers together get. Default: no limit. */
  readonly limitBytesPerSecond?: number | undefined;
  /** Whether each request for a piece is logged. Default: whether PIEZA_LOG_REQUESTS is 1. */
  readonly logRequests?: boolean | undefined;
  /** Whether plain calls of pieces and torrents are answered without the Connect library. Default true. */
  readonly direct?: boolean | undefined;
  /** Where the bytes of content URLs come from. Default: from what this peer holds. */
  readonly contentSource?: ((torrents: ServedTorrents) => ContentSource) | undefined;
  /** Keys that Identify proves to know; at most 16. */
  readonly identifyKeys?: readonly Uint8Array[] | undefined;
  /** The torrents whose pieces others may store here, and the token for it. Default: this peer takes no uploads. */
  readonly stored?: { readonly torrents: StoredTorrents; readonly token: string | undefined } | undefined;
}

/** The part of a peer that serves pieces on one port. */
export interface Serving {
  readonly server: RunningServer;
  readonly torrents: ServedTorrents;
  readonly uploads: Uploads;
  readonly metrics: PeerMetrics;
}

const DEFAULT_IN_FLIGHT_BYTES = 64 << 20;

/** Serves the torrents that are in `torrents` of the result, which is empty at first. Fails as startServer does. */
export async function startServing(options: ServingOptions): Promise<Serving> {
  const torrents = new ServedTorrents();
  const budget = new UploadBudget(options.maxInFlightBytes ?? DEFAULT_IN_FLIGHT_BYTES);
  const metrics = new PeerMetrics(torrents, budget);
  const logRequests = options.logRequests ?? process.env.PIEZA_LOG_REQUESTS === "1";
  const countAndLog = (request: UploadRecord) => {
    metrics.count(request);
    logRequest(options, request);
  };
  const { limitBytesPerSecond: rate } = options;
  const limit = rate === undefined ? undefined : new RateLimit(rate, nodeClock);
  const uploads = new Uploads(torrents, budget, logRequests ? countAndLog : metrics.count, limit);
  const server = await startServer({
    ...options,
    services: [
      servedPeer({ torrents, uploads, identifyKeys: options.identifyKeys ?? [], stored: options.stored }),
      servedLegacyPeer(torrents, uploads),
    ],
    http: peerPages({ torrents, metrics, content: contentParts(torrents, uploads, metrics, options) }),
  });
  return { server, torrents, uploads, metrics };
}

function contentParts(
  torrents: ServedTorrents,
  uploads: Uploads,
  metrics: PeerMetrics,
  { log, contentSource = heldContent }: ServingOptions,
): ContentParts {
  return {
    source: contentSource(torrents),
    uploads,
    onSent: metrics.contentSent,
    onCut(infoHash, reason) {
      const message = `an answer of ${infoHash} ended early: ${reason}`;
      log?.({ level: "warn", event: "content_cut", message, info_hash: infoHash, reason });
    },
  };
}

function logRequest({ log }: ServingOptions, request: UploadRecord): void {
  const { infoHash, number, outcome, bytes, address } = request;
  log?.({
    level: "info",
    event: "piece_request",
    message: `piece ${number}: ${outcome}`,
    info_hash: infoHash,
    number,
    outcome,
    bytes,
    address,
  });
}
