import type { HttpResponse } from "../http/base/http-types.ts";
import type { PlainHttp } from "../http/handling/options.ts";
import type { TrackerMetrics } from "./metrics/metrics.ts";
import type { SwarmStore } from "./store/swarm-store.ts";

/** Answers a tracker's plain HTTP requests, from browsers, curl and Prometheus. Returns whether it answered. */
export function trackerPages(store: SwarmStore, metrics: TrackerMetrics): PlainHttp {
  return async (request, response, { path }) => {
    if (request.method !== "GET" && request.method !== "HEAD") return false;
    if (path === "/") {
      send(response, "application/json", `${JSON.stringify(overview(store.trackerId), null, 2)}\n`);
      return true;
    }
    if (path === "/metrics") {
      send(response, metrics.registry.contentType, await metrics.registry.metrics());
      return true;
    }
    return false;
  };
}

function overview(trackerId: string) {
  return {
    service: "pieza tracker",
    tracker_id: trackerId,
    endpoints: {
      rpc: "/pieza.v1.TrackerService/<Announce, LocatePieces, Scrape or WatchSwarm>",
      seed_rpc: "/tracker.TrackerService/<RegisterPeer, DeregisterPeer or GetFilePieces>",
      health: "/healthz",
      metrics: "/metrics",
    },
  };
}

function send(response: HttpResponse, type: string, text: string): void {
  response.setHeader("content-type", type);
  response.setHeader("cache-control", "no-store");
  response.end(text);
}
