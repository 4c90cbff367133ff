import { type Clock, type Random, sleep } from "./clock.ts";
import { messageOf, PiezaError } from "./errors.ts";
import type { LocateQuery, SwarmTable, Tracker } from "./tracker.ts";

/** First pause when no tracker answers; doubled each round, at random below it. */
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;
/** A tracker that has not answered by then is passed over for the next. */
const ANSWER_MS = 5_000;
/** Bounds on what a tracker may tell us to wait. */
const INTERVAL_MIN_MS = 500;
const INTERVAL_MAX_MS = 60_000;
/** What a tracker that knows no such swarm says in other words; a first peer may come at any moment. */
const NOBODY: SwarmTable = { peers: [], turn: 0, trackerId: "", nextLocateMs: 2_000 };

export interface LocateLoopOptions {
  /** In order of preference; at least one. */
  readonly trackers: readonly Tracker[];
  readonly swarm: LocateQuery;
  readonly clock: Clock;
  readonly random: Random;
  readonly onTable: (table: SwarmTable) => void;
  /** No tracker answers. Called once a round; the loop goes on. */
  readonly onFailure: (reason: string) => void;
}

/** Asks for the swarm until `signal` is aborted. A tracker that fails is followed by the next one at once. */
export async function locateLoop(options: LocateLoopOptions, signal: AbortSignal): Promise<void> {
  const { clock, random } = options;
  let retryMs = RETRY_MIN_MS;
  while (!signal.aborted) {
    let waitMs: number;
    try {
      const table = await locateOnce(options, signal);
      options.onTable(table);
      retryMs = RETRY_MIN_MS;
      waitMs = Math.min(INTERVAL_MAX_MS, Math.max(INTERVAL_MIN_MS, table.nextLocateMs));
    } catch (error) {
      if (signal.aborted) return;
      options.onFailure(messageOf(error));
      waitMs = retryMs * random();
      retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
    }
    await sleep(clock, waitMs, signal).catch(() => undefined);
  }
}

/**
 * The first answer, asking one tracker after the other. One that knows no such swarm has answered too: nobody is there,
 * unless another tracker knows better. Throws the last one's error if none answers.
 */
async function locateOnce(options: LocateLoopOptions, signal: AbortSignal): Promise<SwarmTable> {
  let last: unknown;
  let nobody: SwarmTable | undefined;
  for (const tracker of options.trackers) {
    const deadline = new AbortController();
    const cancel = options.clock.after(ANSWER_MS, () =>
      deadline.abort(new Error(`${tracker.url} does not answer`)),
    );
    try {
      return await tracker.locate(options.swarm, AbortSignal.any([signal, deadline.signal]));
    } catch (error) {
      if (signal.aborted) throw error;
      last = error;
      if (error instanceof PiezaError && error.code === "not_found") nobody = NOBODY;
    } finally {
      cancel();
    }
  }
  if (nobody) return nobody;
  throw last;
}
