import type { Limits } from "../base/limits.ts";

const MAX_DROPPED_BYTES = 16 << 20;
/** A body is ended so long after its time is up, at most; sooner where the times are short. */
const LOOK_MS = 1_000;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * What the bodies of one server are held to: one timer for all, because two for each call took a tenth of a short one's
 * time. It runs while there is a body.
 */
export class Paces {
  readonly limits: Limits;
  readonly #everyMs: number;
  /**
   * Each at its `place`. Not a Set: one that lives long makes its tables anew, in the old generation, every few calls
   * that come and go, and each table that it leaves there keeps what was in it until V8's next great collection.
   */
  readonly #under: Pace[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: Limits) {
    this.limits = limits;
    this.#everyMs = Math.min(LOOK_MS, limits.bodyGraceMs / 10);
  }

  /** Under the clock from now until `remove`. */
  add(pace: Pace): void {
    if (pace.place < 0) pace.place = this.#under.push(pace) - 1;
    this.#timer ??= setInterval(() => this.#look(), this.#everyMs).unref();
  }

  remove(pace: Pace): void {
    if (pace.place < 0) return;
    const last = this.#under.pop()!;
    if (last !== pace) {
      this.#under[pace.place] = last;
      last.place = pace.place;
    }
    pace.place = -1;
  }

  #look(): void {
    const now = performance.now();
    for (const pace of [...this.#under]) pace.endIfLate(now);
    if (this.#under.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

export interface Killable {
  /** Ends the call at once. */
  kill(): void;
}

/**
 * Ends a call whose other side sends or reads slower than anybody honest does: each body may take limits.bodyGraceMs
 * and as long as its bytes need at limits.minBytesPerSecond. A trickle passes every idle timer; it does not pass this.
 */
export class Pace {
  /** Where it is among those under the clock; -1: it is not. */
  place = -1;
  readonly #paces: Paces;
  readonly #call: Killable;
  #received = 0;
  #body: AsyncIterator<Uint8Array> | undefined;
  /** The body under way must be done by then, on performance.now(). */
  #readByMs = NEVER;
  #writeByMs = NEVER;
  #giveBack = nothing;
  #closed = false;

  constructor(paces: Paces, call: Killable) {
    this.#paces = paces;
    this.#call = call;
  }

  /** The request's body is read by others, and is short: so long until stopReading() or reading(). */
  awaitShort(): void {
    this.#readByMs = performance.now() + this.#allowedMs(0);
    this.#paces.add(this);
  }

  /**
   * The request's body, held to its pace from now until it has ended or stopReading() is called. Who stops listening
   * early stays under the clock: the caller may go on sending after it has its answer.
   */
  reading(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    this.awaitShort();
    const iterator = body[Symbol.asyncIterator]();
    this.#body = iterator;
    // Nothing is closed by whoever stops early: the rest is for dropRest().
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#next(iterator) }) };
  }

  /**
   * Reads what nobody wanted of the request's body to nowhere, so that its connection can be used again and its caller
   * reads our answer; more than the largest message is too much of that, and ends the call. Call it once the answer is
   * known. Never fails.
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
   * The answer's body, held to its pace from each chunk to the request for the next, and from the last to stopWriting().
   * So long it has taken the room that `take` gives or refuses.
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

  /**
   * An answer of so many bytes was handed to the system in one go: held to its pace from now to stopWriting(), which
   * calls `giveBack`.
   */
  sending(bytes: number, giveBack: () => void = nothing): void {
    this.#giveBack = giveBack;
    this.#writeByMs = performance.now() + this.#allowedMs(bytes);
    this.#paces.add(this);
  }

  stopReading(): void {
    this.#readByMs = NEVER;
    this.#removeIfDone();
  }

  /** The response has left, or its caller is gone. */
  stopWriting(): void {
    this.#closed = true;
    this.#stopWriting();
  }

  /** Ends the call, once, if its time is up. */
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
      // For each byte as long as it may need.
      this.#readByMs += this.#allowedMs(next.value.byteLength) - this.#allowedMs(0);
    }
    return next;
  }

  #allowedMs(bytes: number): number {
    const { bodyGraceMs, minBytesPerSecond } = this.#paces.limits;
    return bodyGraceMs + (bytes / minBytesPerSecond) * 1000;
  }
}

/** One for all: a function that is assigned to a property is made in the old generation, where nobody clears up soon. */
function nothing(): void {}
