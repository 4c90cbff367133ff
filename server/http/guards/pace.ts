import type { Limits } from "../base/limits.ts";

/** The largest message. A caller that sends more than this after a refusal is cut off. */
const MAX_DROPPED_BYTES = 16 << 20;
/** Bodies are checked this often, or ten times in `bodyGraceMs` if that is sooner. */
const CHECK_MS = 1_000;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * Holds the bodies of one server to their pace, with one timer that runs while there is a body. Two timers for each
 * call took a tenth of the time of a short call.
 */
export class Paces {
  readonly limits: Limits;
  readonly #everyMs: number;
  /** Each pace is at its `place`. An array and not a Set, whose tables would pile up in V8's heap: see docs/v8.md. */
  readonly #watched: Pace[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: Limits) {
    this.limits = limits;
    this.#everyMs = Math.min(CHECK_MS, limits.bodyGraceMs / 10);
  }

  /** Checks the pace until `remove`. Does nothing for one that is being checked. */
  add(pace: Pace): void {
    if (pace.place < 0) pace.place = this.#watched.push(pace) - 1;
    this.#timer ??= setInterval(() => this.#check(), this.#everyMs).unref();
  }

  remove(pace: Pace): void {
    if (pace.place < 0) return;
    const last = this.#watched.pop()!;
    if (last !== pace) {
      this.#watched[pace.place] = last;
      last.place = pace.place;
    }
    pace.place = -1;
  }

  #check(): void {
    const now = performance.now();
    for (const pace of [...this.#watched]) pace.endIfLate(now);
    if (this.#watched.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

export interface Killable {
  /** Ends the call at once. */
  kill(): void;
}

/**
 * Ends a call whose caller sends or reads too slowly. Each body may take `limits.bodyGraceMs` and the time that its
 * bytes need at `limits.minBytesPerSecond`. A caller that trickles bytes escapes every idle timeout, but not this.
 */
export class Pace {
  /** Index in Paces, -1 while the pace is not checked. Only Paces sets it. */
  place = -1;
  readonly #paces: Paces;
  readonly #call: Killable;
  #received = 0;
  #body: AsyncIterator<Uint8Array> | undefined;
  /** Deadline of the request's body, on performance.now(). */
  #readByMs = NEVER;
  /** Deadline of the bytes of the answer that are being sent. */
  #writeByMs = NEVER;
  #giveBack = nothing;
  #closed = false;

  constructor(paces: Paces, call: Killable) {
    this.#paces = paces;
    this.#call = call;
  }

  /** Whether the body is being read by reading() and has not ended. */
  get isReading(): boolean {
    return this.#body !== undefined;
  }

  /** Gives a short body, which the caller of this function reads itself, `bodyGraceMs` until stopReading(). */
  awaitShort(): void {
    this.#readByMs = performance.now() + this.#allowedMs(0);
    this.#paces.add(this);
  }

  /**
   * Returns the request's body, held to its pace from now until it ends or stopReading() is called. A reader that
   * stops early does not stop the clock: the caller may go on sending after it has its answer.
   */
  reading(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    this.awaitShort();
    const iterator = body[Symbol.asyncIterator]();
    this.#body = iterator;
    // Without `return`, so that a reader that stops early leaves the rest to dropRest().
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#next(iterator) }) };
  }

  /**
   * Reads the unread rest of the request's body and drops it, so that the caller reads the answer and its connection
   * can be used again. Ends the call after MAX_DROPPED_BYTES. Call it when the answer is known. Never rejects.
   */
  async dropRest(): Promise<void> {
    const enough = this.#received + MAX_DROPPED_BYTES;
    try {
      while (this.#body && this.#received <= enough) await this.#next(this.#body);
      if (this.#body) this.#call.kill();
    } catch {
      // The caller is gone.
    }
  }

  /**
   * Returns the answer's body. Each chunk is held to its pace, and to the memory that `take` gives or refuses, until
   * the next chunk is requested; the last chunk until stopWriting().
   */
  async *writing(
    body: AsyncIterable<Uint8Array>,
    take: (bytes: number) => () => void,
  ): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      this.#stopWriting();
      if (this.#closed) return;
      this.sending(chunk.byteLength, take(chunk.byteLength));
      yield chunk;
    }
  }

  /** Holds an answer of `bytes`, handed to the system, to its pace until stopWriting(), which calls `giveBack`. */
  sending(bytes: number, giveBack: () => void = nothing): void {
    this.#giveBack = giveBack;
    this.#writeByMs = performance.now() + this.#allowedMs(bytes);
    this.#paces.add(this);
  }

  /** Call it when the bytes given to `sending` have left and the next ones are not known yet. */
  sent(): void {
    this.#stopWriting();
  }

  stopReading(): void {
    this.#readByMs = NEVER;
    this.#removeIfDone();
  }

  /** Call it when the answer has left or its caller is gone. */
  stopWriting(): void {
    this.#closed = true;
    this.#stopWriting();
  }

  /** Ends the call if a deadline has passed. */
  endIfLate(nowMs: number): void {
    if (Math.min(this.#readByMs, this.#writeByMs) > nowMs) return;
    this.#paces.remove(this);
    this.#call.kill();
  }

  #stopWriting(): void {
    this.#writeByMs = NEVER;
    this.#giveBack();
    this.#giveBack = nothing;
    this.#removeIfDone();
  }

  #removeIfDone(): void {
    if (this.#readByMs === NEVER && this.#writeByMs === NEVER) this.#paces.remove(this);
  }

  async #next(body: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const next = await body.next();
    if (next.done) {
      this.#body = undefined;
      this.stopReading();
    } else {
      this.#received += next.value.byteLength;
      this.#readByMs += this.#allowedMs(next.value.byteLength) - this.#allowedMs(0);
    }
    return next;
  }

  #allowedMs(bytes: number): number {
    const { bodyGraceMs, minBytesPerSecond } = this.#paces.limits;
    return bodyGraceMs + (bytes / minBytesPerSecond) * 1000;
  }
}

/** One function for all paces; one made for each would outlive its call in V8's old generation: see docs/v8.md. */
function nothing(): void {}
