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

  /** Bytes per second; 0 if nothing arrived within the window, unless bytes come as rarely as that. */
  rate(now: number): number {
    this.#forget(now);
    const recent = this.#samples.filter(({ at }) => at > now - this.#windowMs);
    if (recent.length < 2) return this.#rareRate(now) ?? this.#over(recent, now);
    return this.#over(recent, now);
  }

  #over(samples: readonly { bytes: number }[], now: number): number {
    const bytes = samples.reduce((sum, sample) => sum + sample.bytes, 0);
    const spanMs = Math.min(this.#windowMs, Math.max(now - this.#since, 200));
    return (bytes * 1000) / spanMs;
  }

  /** Large pieces at a low rate come further apart than the window is long: then the last pause counts. */
  #rareRate(now: number): number | undefined {
    const [before, last] = this.#samples.slice(-2);
    if (!before || !last) return undefined;
    const pauseMs = last.at - before.at;
    if (pauseMs < this.#windowMs || now - last.at > 2 * pauseMs) return undefined;
    return (last.bytes * 1000) / Math.max(pauseMs, now - last.at);
  }

  /** Keeps what is in the window, and at least two samples. */
  #forget(now: number): void {
    const keep = this.#samples.findIndex((sample) => sample.at > now - this.#windowMs);
    const old = keep < 0 ? this.#samples.length : keep;
    this.#samples.splice(0, Math.min(old, Math.max(0, this.#samples.length - 2)));
  }
}

/** Time between two marks of a request's progress. */
const MARK_MS = 1_000;

interface Mark {
  readonly atMs: number;
  readonly bytes: number;
}

/** How a request comes along: what it has brought in its last one to two seconds. The owner passes the time. */
export class Progress {
  #before: Mark;
  #last: Mark;

  constructor(now: number) {
    this.#last = { atMs: now, bytes: 0 };
    this.#before = this.#last;
  }

  /** Call a few times a second, with all bytes so far. */
  mark(now: number, bytes: number): void {
    if (now - this.#last.atMs < MARK_MS) return;
    this.#before = this.#last;
    this.#last = { atMs: now, bytes };
  }

  /** Bytes per second; undefined in the first second, which says little. */
  rate(now: number, bytes: number): number | undefined {
    const spanMs = now - this.#before.atMs;
    return spanMs < MARK_MS ? undefined : ((bytes - this.#before.bytes) * 1000) / spanMs;
  }
}

/** Ended requests from which a peer's rate is computed. */
const MEMORY = 8;
/** Milliseconds of work on top of the bandwidth-delay product, so that a peer never runs dry. */
const SLACK_MS = 30;
/** A request given up sooner than this says nothing about its peer's rate. */
const TELLING_MS = 1_000;

interface Ended {
  readonly busyMs: number;
  readonly bytes: number;
  readonly durationMs: number;
}

/** Measures a peer's rate. Only time with a request under way counts, so an idle peer does not look slow. */
export class PeerPace {
  #busySince: number | undefined;
  #busyMs = 0;
  #inFlight = 0;
  #fastestMs = Number.POSITIVE_INFINITY;
  #done: Ended[] = [];
  /** Of requests that were given up too soon to count by themselves. */
  #spareBytes = 0;

  /** Bytes per second; undefined until a piece has arrived, or a request that brought too little was given up. */
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

  /** A request ended with a whole piece of `bytes`. */
  onServed(now: number, bytes: number, durationMs: number): void {
    this.#fastestMs = Math.min(this.#fastestMs, durationMs);
    this.#note({ busyMs: this.#end(now), bytes: bytes + this.#spareBytes, durationMs });
  }

  /** A request failed, which says nothing about the rate. */
  onFailed(now: number): void {
    this.#end(now);
  }

  /** A request was given up after `bytes`: another peer was quicker, or is to be. */
  onGivenUp(now: number, bytes: number, durationMs: number): void {
    const busyMs = this.#end(now);
    this.#spareBytes += bytes;
    if (durationMs >= TELLING_MS) this.#note({ busyMs, bytes: this.#spareBytes, durationMs });
  }

  /** The peer counts as not measured again. */
  forget(): void {
    this.#done = [];
    this.#spareBytes = 0;
  }

  /**
   * Requests to keep under way, 1 to `max`: the bandwidth-delay product (measured rate times shortest duration) and a
   * little more. While the path holds more than the window, every answer raises the rate and so the window. It is 1
   * until the first piece has arrived, because the peer may give nothing.
   */
  window(pieceLength: number, max: number): number {
    const rate = this.rate;
    if (rate === undefined || this.#fastestMs === Number.POSITIVE_INFINITY) return 1;
    const path = (rate / 1000) * (this.#fastestMs + SLACK_MS);
    return Math.max(1, Math.min(max, Math.ceil(path / Math.max(pieceLength, 1)) + 1));
  }

  /** Milliseconds until one more request would be done; undefined without a measured rate. */
  expectedMs(pieceLength: number): number | undefined {
    const rate = this.rate;
    return rate === undefined ? undefined : ((this.#inFlight + 1) * pieceLength * 1000) / rate;
  }

  #end(now: number): number {
    const busyMs = this.busyMs(now);
    if (--this.#inFlight === 0) {
      this.#busyMs = busyMs;
      this.#busySince = undefined;
    }
    return busyMs;
  }

  #note(ended: Ended): void {
    this.#spareBytes = 0;
    this.#done.push(ended);
    if (this.#done.length > MEMORY) this.#done.shift();
  }
}
