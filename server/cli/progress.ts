import type { DownloadSnapshot, PeerSnapshot } from "#core/snapshot.ts";
import type { Output } from "./output.ts";
import { headLine, progressLines } from "./progress-lines.ts";
import { SteadyEta } from "./steady-eta.ts";

/** Pauses between two pictures, two events and two lines of a log. */
const DRAW_MS = 100;
const EVENT_MS = 500;
const LINE_MS = 5_000;

/** What is shown: a download, or anything else that has snapshots. */
export interface Watched {
  peek(): DownloadSnapshot;
  subscribe(fn: () => void): () => void;
}

/** Shows a download as it runs: events with --json, a picture on a terminal, else a line now and then. */
export function showProgress(
  name: string,
  download: Watched,
  out: Output,
  options: { noProgress: boolean },
): () => void {
  if (out.json) return showEvents(download, out);
  if (options.noProgress || out.quiet) return () => {};
  return out.terminal ? showPicture(name, download, out) : showLines(name, download, out);
}

/** Calls `fn` after changes, but not twice within `everyMs` unless the state has changed. */
function watch(download: Watched, everyMs: number, fn: (snapshot: DownloadSnapshot) => void): () => void {
  let toldMs = Number.NEGATIVE_INFINITY;
  let toldState = "";
  return download.subscribe(() => {
    const snapshot = download.peek();
    const now = performance.now();
    if (now - toldMs < everyMs && snapshot.state === toldState) return;
    toldMs = now;
    toldState = snapshot.state;
    fn(snapshot);
  });
}

function showEvents(download: Watched, out: Output): () => void {
  const told = new Map<number, string>();
  const stopPeers = download.subscribe(() => {
    for (const peer of download.peek().peers) {
      const state = peer.state === "idle" ? "active" : peer.state;
      if (told.get(peer.slot) === state) continue;
      told.set(peer.slot, state);
      out.event("peer", peerFields(peer));
    }
  });
  const stopProgress = watch(download, EVENT_MS, (snapshot) =>
    out.event("progress", progressFields(snapshot)),
  );
  return () => {
    stopPeers();
    stopProgress();
  };
}

export function peerFields(peer: PeerSnapshot) {
  return {
    url: peer.url,
    transport: peer.transport,
    state: peer.state,
    reason: peer.reason,
    served_pieces: peer.servedPieces,
    served_bytes: peer.servedBytes,
  };
}

function progressFields(snapshot: DownloadSnapshot) {
  return {
    state: snapshot.state,
    reason: snapshot.reason,
    held_pieces: snapshot.heldPieces,
    total_pieces: snapshot.totalPieces,
    held_bytes: snapshot.heldBytes,
    total_bytes: snapshot.totalBytes,
    rate: Math.round(snapshot.rate),
    eta_ms: snapshot.etaMs === undefined ? null : Math.round(snapshot.etaMs),
    peers: snapshot.peers.length,
  };
}

function showLines(name: string, download: Watched, out: Output): () => void {
  return watch(download, LINE_MS, (snapshot) => {
    const { state, reason, etaMs } = snapshot;
    if (state === "complete" || state === "failed" || state === "stopped") return;
    out.note(`${headLine(name, snapshot, etaMs)}${reason ? `: ${reason}` : ""}`);
  });
}

function showPicture(name: string, download: Watched, out: Output): () => void {
  const eta = new SteadyEta();
  const draw = (snapshot: DownloadSnapshot) => {
    const etaMs = eta.update(snapshot.etaMs, performance.now());
    out.draw((canvas) => progressLines(name, snapshot, etaMs, canvas));
  };
  const stop = watch(download, DRAW_MS, draw);
  return () => {
    stop();
    out.erase();
  };
}
