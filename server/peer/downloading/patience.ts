import type { Clock } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import { nodeClock } from "../../base/node-clock.ts";

/** No peer had the missing pieces for as long as the caller was willing to wait. */
export class GaveUp extends PiezaError {
  /** False if no tracker has ever answered, so it is unknown whether there are peers. */
  readonly trackerReached: boolean;

  constructor(reason: string, trackerReached: boolean) {
    super("unavailable", `gave up waiting: ${reason}`);
    this.trackerReached = trackerReached;
  }
}

/** What a download that is under way says of itself. */
export type Outlook = Pick<DownloadSnapshot, "state" | "reason" | "located" | "promising" | "heldPieces">;

/**
 * Limits the time without hope of a piece. It adds up over doomed requests, and only a verified piece starts it anew;
 * it rests while a piece may be on its way, however slowly.
 */
export class WaitLimit {
  readonly #limitMs: number | undefined;
  readonly #clock: Clock;
  readonly #lost = Promise.withResolvers<never>();
  #cancel: (() => void) | undefined;
  #waitedMs = 0;
  #sinceMs = 0;
  #heldPieces = 0;
  #waitingFor = { reason: "no peer gave a right piece", located: false };

  constructor(limitMs: number | undefined, clock: Clock = nodeClock) {
    this.#limitMs = limitMs;
    this.#clock = clock;
    this.lost.catch(() => {});
  }

  /** Rejects with GaveUp at the limit. Never resolves. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  watch({ state, reason, located, promising, heldPieces }: Outlook): void {
    if (heldPieces > this.#heldPieces) {
      this.end();
      this.#waitedMs = 0;
    }
    this.#heldPieces = heldPieces;
    if (state === "waiting") this.#waitingFor = { reason, located };
    // Before a tracker has answered or failed, the download has not begun to wait.
    const isHopeless = state === "waiting" || (located && (state === "starting" || state === "downloading"));
    if (isHopeless && !promising) this.#begin();
    else this.end();
  }

  end(): void {
    if (!this.#cancel) return;
    this.#cancel();
    this.#cancel = undefined;
    this.#waitedMs += this.#clock.now() - this.#sinceMs;
  }

  #begin(): void {
    if (this.#limitMs === undefined || this.#cancel) return;
    this.#sinceMs = this.#clock.now();
    this.#cancel = this.#clock.after(Math.max(0, this.#limitMs - this.#waitedMs), () =>
      this.#lost.reject(new GaveUp(this.#waitingFor.reason, this.#waitingFor.located)),
    );
  }
}
