/** The rate over the last seconds, in bytes per second. The owner passes the time, in milliseconds. */
export class RateMeter {
  readonly #windowMs: number;
  #samples: { at: number; bytes: number }[] = [];
  #since: number;

  /** Counts from `now` on; a byte counts for `windowMs`. */
  constructor(now: number, windowMs = 5_000) {
    this.#windowMs = windowMs;
    this.#since = now;
  }

  add(now: number, bytes: number): void {
    const last = this.#samples.at(-1);
    // Samples of a tenth of a second are fine enough to draw, and bound the list.
    if (last && now - last.at < 100) last.bytes += bytes;
    else this.#samples.push({ at: now, bytes });
    this.#forget(now);
  }

  /** Bytes per second; 0 if nothing arrived within the window. */
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

/** Finished pieces from which a peer's rate is computed. */
const MEMORY = 8;
/** Milliseconds of work on top of the bandwidth-delay product, so that a peer never runs dry. */
const SLACK_MS = 30;

/** Measures a peer's rate. Only time with a request under way counts, so an idle peer does not look slow. */
export class PeerPace {
  #busySince: number | undefined;
  #busyMs = 0;
  #inFlight = 0;
  #fastestMs = Number.POSITIVE_INFINITY;
  #done: { busyMs: number; bytes: number; durationMs: number }[] = [];

  /** Bytes per second; undefined until the first piece has arrived. */
  get rate(): number | undefined {
    const last = this.#done.at(-1);
    const first = this.#done[0];
    if (!last || !first) return undefined;
    // One piece gives only its own duration. From two on, the rate covers the bytes after the first piece.
    if (last === first) return (last.bytes * 1000) / Math.max(last.durationMs, 1);
    const bytes = this.#done.slice(1).reduce((sum, done) => sum + done.bytes, 0);
    return (bytes * 1000) / Math.max(last.busyMs - first.busyMs, 1);
  }

  /** Milliseconds with at least one request under way. */
  busyMs(now: number): number {
    return this.#busyMs + (this.#busySince === undefined ? 0 : now - this.#busySince);
  }

  onRequested(now: number): void {
    if (this.#inFlight++ === 0) this.#busySince = now;
  }

  /** A request ended: `bytes` of a whole piece, or 0 if it failed. */
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
   * Requests to keep under way, 1 to `max`: the bandwidth-delay product (measured rate times shortest duration) and a
   * little more. While the path holds more than the window, every answer raises the rate and so the window. It is 1
   * until the first piece has arrived, because the peer may give nothing.
   */
  window(pieceLength: number, max: number): number {
    const rate = this.rate;
    if (rate === undefined) return 1;
    const path = (rate / 1000) * (this.#fastestMs + SLACK_MS);
    return Math.max(1, Math.min(max, Math.ceil(path / Math.max(pieceLength, 1)) + 1));
  }

  /** Milliseconds until one more request would be done; undefined without a measured rate. */
  expectedMs(pieceLength: number): number | undefined {
    const rate = this.rate;
    return rate === undefined ? undefined : ((this.#inFlight + 1) * pieceLength * 1000) / rate;
  }
}
