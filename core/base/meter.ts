/** Bytes per second over the last seconds. Told of bytes, asked at any later time; the owner gives the time. */
export class RateMeter {
  readonly #windowMs: number;
  #samples: { at: number; bytes: number }[] = [];
  #since: number;

  /** Counts from `now` on. `windowMs` is how far back a byte counts. */
  constructor(now: number, windowMs = 5_000) {
    this.#windowMs = windowMs;
    this.#since = now;
  }

  add(now: number, bytes: number): void {
    const last = this.#samples.at(-1);
    // A tenth of a second is fine enough to draw, and bounds the list.
    if (last && now - last.at < 100) last.bytes += bytes;
    else this.#samples.push({ at: now, bytes });
    this.#forget(now);
  }

  /** 0 if nothing came in the window. */
  rate(now: number): number {
    this.#forget(now);
    const bytes = this.#samples.reduce((sum, sample) => sum + sample.bytes, 0);
    const spanMs = Math.min(this.#windowMs, Math.max(now - this.#since, 200));
    return (bytes * 1000) / spanMs;
  }

  #forget(now: number): void {
    const keep = this.#samples.findIndex((sample) => sample.at > now - this.#windowMs);
    if (keep !== 0) this.#samples.splice(0, keep < 0 ? this.#samples.length : keep);
  }
}

/** Completions over which a peer's speed is taken. */
const MEMORY = 8;
/** How much more than its bandwidth-delay product a peer is kept busy with, so that it never runs dry. */
const SLACK_MS = 30;

/**
 * How fast a peer is, and so how many requests to keep under way there. Counts only the time in which it had
 * something to do, so a peer that idles does not look slow.
 */
export class PeerPace {
  #busySince: number | undefined;
  #busyMs = 0;
  #inFlight = 0;
  #fastestMs = Number.POSITIVE_INFINITY;
  #done: { busyMs: number; bytes: number; durationMs: number }[] = [];

  /** Bytes per second, or undefined until a first piece has come. */
  get rate(): number | undefined {
    const last = this.#done.at(-1);
    const first = this.#done[0];
    if (!last || !first) return undefined;
    // One completion says only how long it took; from two on, what came between the first and the last counts.
    if (last === first) return (last.bytes * 1000) / Math.max(last.durationMs, 1);
    const bytes = this.#done.slice(1).reduce((sum, done) => sum + done.bytes, 0);
    return (bytes * 1000) / Math.max(last.busyMs - first.busyMs, 1);
  }

  /** Milliseconds in which it had something to do. */
  busyMs(now: number): number {
    return this.#busyMs + (this.#busySince === undefined ? 0 : now - this.#busySince);
  }

  onRequested(now: number): void {
    if (this.#inFlight++ === 0) this.#busySince = now;
  }

  /** A request ended, with `bytes` of a whole piece or, failed, with 0. */
  onEnded(now: number, bytes: number, durationMs: number): void {
    const busyMs = this.busyMs(now);
    if (--this.#inFlight === 0) {
      this.#busyMs = busyMs;
      this.#busySince = undefined;
    }
    if (bytes === 0) return;
    this.#fastestMs = Math.min(this.#fastestMs, durationMs);
    this.#done.push({ busyMs, bytes, durationMs });
    if (this.#done.length > MEMORY) this.#done.shift();
  }

  /**
   * Requests to keep under way, 1 to `max`: what fills the path at the rate and the shortest duration seen, and a
   * little more. While the path is longer than the window, every answer raises the rate and so the window. One until a
   * first piece has come: whether it gives anything is not known before.
   */
  window(pieceLength: number, max: number): number {
    const rate = this.rate;
    if (rate === undefined) return 1;
    const path = (rate / 1000) * (this.#fastestMs + SLACK_MS);
    return Math.max(1, Math.min(max, Math.ceil(path / Math.max(pieceLength, 1)) + 1));
  }

  /** Milliseconds until one more request would be done, or undefined if unmeasured. */
  expectedMs(pieceLength: number): number | undefined {
    const rate = this.rate;
    return rate === undefined ? undefined : ((this.#inFlight + 1) * pieceLength * 1000) / rate;
  }
}
