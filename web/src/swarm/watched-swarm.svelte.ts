import type { SwarmNews } from "../base/messages.ts";

/** The rate of a peer is measured over this time. */
const WINDOW_MS = 10_000;

interface Sample {
  readonly atMs: number;
  readonly heldPieces: number;
}

/** Sends news of the swarm of a torrent to `swarm` until the returned function is called. */
export interface SwarmWatcher {
  watch(infoHash: string, swarm: WatchedSwarm): () => void;
}

/** The latest news of a swarm, and the rates of its leechers. */
export class WatchedSwarm {
  /** The latest news; undefined before the first. */
  news: SwarmNews | undefined = $state.raw();
  readonly #samples = new Map<string, Sample[]>();

  take(news: SwarmNews, nowMs: number): void {
    this.news = news;
    for (const { url, heldPieces } of news.peers) {
      const samples = this.#samples.get(url) ?? [];
      this.#samples.set(url, samples);
      samples.push({ atMs: nowMs, heldPieces });
      while (samples.length > 2 && samples[1]!.atMs < nowMs - WINDOW_MS) samples.shift();
    }
  }

  /** Pieces per second that a peer got lately; 0 for a peer that was seen only once. */
  piecesPerSecond(url: string): number {
    const samples = this.#samples.get(url) ?? [];
    const [first, last] = [samples[0], samples.at(-1)];
    if (!first || !last || first === last) return 0;
    return (Math.max(0, last.heldPieces - first.heldPieces) * 1000) / (last.atMs - first.atMs);
  }
}

/** The copies of the rarest piece, and the mean copies of a piece. */
export function availabilityOf(copies: Uint16Array): { rarest: number; mean: number } {
  let [rarest, sum] = [Number.POSITIVE_INFINITY, 0];
  for (const count of copies) {
    rarest = Math.min(rarest, count);
    sum += count;
  }
  return copies.length === 0 ? { rarest: 0, mean: 0 } : { rarest, mean: sum / copies.length };
}
