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

/** Limits how long a download may wait without a piece. */
export class WaitLimit {
  readonly #limitMs: number | undefined;
  readonly #lost = Promise.withResolvers<never>();
  #cancel: (() => void) | undefined;
  #waitingFor = { reason: "", located: false };

  constructor(limitMs: number | undefined) {
    this.#limitMs = limitMs;
    this.lost.catch(() => {});
  }

  /** Rejects with GaveUp at the limit. Never resolves. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  watch({ state, reason, located }: Pick<DownloadSnapshot, "state" | "reason" | "located">): void {
    if (state !== "waiting") this.end();
    else this.#waitingFor = { reason, located };
    if (state !== "waiting" || this.#limitMs === undefined || this.#cancel) return;
    this.#cancel = nodeClock.after(this.#limitMs, () =>
      this.#lost.reject(new GaveUp(this.#waitingFor.reason, this.#waitingFor.located)),
    );
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
