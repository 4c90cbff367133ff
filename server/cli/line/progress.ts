import type { DownloadSnapshot, PeerSnapshot } from "#core/download/snapshot.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { Output } from "./output.ts";
import { type Canvas, headLine, type PictureLine, progressLines } from "./progress-lines.ts";
import { SteadyEta } from "./steady-eta.ts";
import { truncate } from "./table.ts";
import { printable } from "./units.ts";

/** The shortest pauses between two pictures, two "progress" events and two lines of text. */
const DRAW_MS = 100;
const EVENT_MS = 500;
const LINE_MS = 5_000;

/** Lines for each of several simultaneous downloads: the summary and the bar. */
const LINES_EACH = 2;

type Picture = (canvas: Canvas) => readonly PictureLine[];

/** A download, or any other source of snapshots. */
export interface Watched {
  peek(): DownloadSnapshot;
  subscribe(fn: () => void): () => void;
}

/** Shows running downloads: as events with --json, as a picture on a terminal, else as a line every few seconds. */
export class ProgressBoard {
  readonly #out: Output;
  readonly #options: { noProgress: boolean };
  readonly #pictures = new Set<Picture>();

  constructor(out: Output, options: { noProgress: boolean }) {
    this.#out = out;
    this.#options = options;
  }

  /** Shows a download until the returned function is called. */
  show(torrent: Pick<Torrent, "fileName" | "infoHash">, download: Watched): () => void {
    const out = this.#out;
    if (out.json) return showEvents(torrent.infoHash, download, out);
    if (this.#options.noProgress || out.quiet) return () => {};
    if (!out.terminal) return showLines(torrent.fileName, download, out);
    return this.#showPicture(torrent.fileName, download);
  }

  /** Shows one line on a terminal, from half a second after this call until `end`, for work before a download. */
  showLine(): { say(line: string): void; end(): void } {
    const out = this.#out;
    if (out.json || this.#options.noProgress || out.quiet || !out.terminal)
      return { say: () => {}, end: () => {} };
    let drawnMs = performance.now() + EVENT_MS - DRAW_MS;
    let text = "";
    const picture: Picture = ({ columns }) => [truncate(printable(text), columns - 1)];
    return {
      say: (line) => {
        text = line;
        if (performance.now() - drawnMs < DRAW_MS) return;
        drawnMs = performance.now();
        this.#pictures.add(picture);
        this.#draw();
      },
      end: () => {
        if (this.#pictures.delete(picture)) out.erase();
      },
    };
  }

  #draw(): void {
    this.#out.draw((canvas) => [...this.#pictures].flatMap((draw) => draw(canvas)));
  }

  #showPicture(name: string, download: Watched): () => void {
    const eta = new SteadyEta();
    const picture: Picture = (canvas) => {
      const snapshot = download.peek();
      const etaMs = eta.update(snapshot.etaMs, performance.now());
      const lines = progressLines(name, snapshot, etaMs, canvas);
      return this.#pictures.size > 1 ? lines.slice(0, LINES_EACH) : lines;
    };
    this.#pictures.add(picture);
    const stop = watch(download, DRAW_MS, () => this.#draw());
    return () => {
      stop();
      this.#pictures.delete(picture);
      this.#out.erase();
    };
  }
}

/** Calls `fn` after a change, at most once in `everyMs` unless the state changes. Returns what stops it. */
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

function showEvents(infoHash: string, download: Watched, out: Output): () => void {
  const told = new Map<number, string>();
  const stopPeers = download.subscribe(() => {
    for (const peer of download.peek().peers) {
      const state = peer.state === "idle" ? "active" : peer.state;
      if (told.get(peer.slot) === state) continue;
      told.set(peer.slot, state);
      out.event("peer", { info_hash: infoHash, ...downloadPeerFields(peer) });
    }
  });
  const stopProgress = watch(download, EVENT_MS, (snapshot) =>
    out.event("progress", { info_hash: infoHash, ...progressFields(snapshot) }),
  );
  return () => {
    stopPeers();
    stopProgress();
  };
}

/** A download's peer in the events "peer" and "done". */
export function downloadPeerFields(peer: PeerSnapshot) {
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
