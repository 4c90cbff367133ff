import { sleep } from "../base/clock.ts";
import { messageOf, PiezaError } from "../base/errors.ts";
import { firstAnswer } from "../base/first-answer.ts";
import type { LocateQuery, SwarmTable, Tracker } from "../ports/tracker.ts";
import type { DownloadInput } from "./download-input.ts";

/** The first pause when no tracker answers. It doubles each round; the actual pause is random below it. */
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;
/** After `hedgeMs` without an answer the next tracker is asked too, and the first answer counts. */
const PATIENCE = { hedgeMs: 500, answerMs: 5_000 };
/** How long the tracker that answered instead of the preferred one is asked first. */
const RETURN_MS = 60_000;
/** Bounds on the pause that a tracker asks for. */
const INTERVAL_MIN_MS = 500;
const INTERVAL_MAX_MS = 60_000;
/** Parts of that pause for the first rounds: downloads that begin together should find each other before the end. */
const FIRST_PAUSES = [1 / 8, 1 / 4, 1 / 2];
/** The part while no peer gives anything: the download waits for a peer that joins or returns. */
const IDLE_PAUSE = 1 / 3;
/** The random part of a pause, so that downloads that began together do not ask together for ever. */
const JITTER = 0.1;
/** The answer of trackers that do not know the swarm. A first peer may join at any moment. */
const NOBODY: SwarmTable = { peers: [], turn: 0, trackerId: "", nextLocateMs: 2_000 };

export interface LocateLoopOptions extends Pick<DownloadInput, "trackers" | "clock" | "random"> {
  readonly swarm: LocateQuery;
  readonly onTable: (table: SwarmTable) => void;
  /** Called once a round when no tracker answers. The loop goes on. */
  readonly onFailure: (reason: string) => void;
  /** Whether no peer gives anything now, so that the next table is wanted sooner than the tracker says. */
  readonly isIdle?: () => boolean;
}

/** Asks for the swarm until `signal` is aborted. */
export async function locateLoop(options: LocateLoopOptions, signal: AbortSignal): Promise<void> {
  const { clock, random } = options;
  const choice = trackerChoice(options);
  let retryMs = RETRY_MIN_MS;
  let answers = 0;
  while (!signal.aborted) {
    let waitMs: number;
    try {
      const table = await locateOnce(options, choice, signal);
      options.onTable(table);
      retryMs = RETRY_MIN_MS;
      const most = table !== NOBODY && options.isIdle?.() ? IDLE_PAUSE : 1;
      const toldMs = table.nextLocateMs * Math.min(most, FIRST_PAUSES[answers++] ?? 1);
      const intervalMs = Math.min(INTERVAL_MAX_MS, Math.max(INTERVAL_MIN_MS, toldMs));
      waitMs = intervalMs * (1 + JITTER * (2 * random() - 1));
    } catch (error) {
      if (signal.aborted) return;
      options.onFailure(messageOf(error));
      const hintMs = (error instanceof PiezaError && error.retryAfterMs) || 0;
      waitMs = Math.max(retryMs * random(), Math.min(INTERVAL_MAX_MS, hintMs));
      retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
    }
    await sleep(clock, waitMs, signal).catch(() => undefined);
  }
}

/**
 * The first answer of any tracker. A tracker that does not know the swarm has answered too: the swarm is empty,
 * unless another tracker knows better. Throws the last failure if no tracker answers.
 */
async function locateOnce(
  { swarm, clock }: LocateLoopOptions,
  choice: ReturnType<typeof trackerChoice>,
  signal: AbortSignal,
): Promise<SwarmTable> {
  let nobody = false;
  const places = choice.order().map((tracker) => ({
    tracker,
    url: tracker.url,
    async ask(each: AbortSignal): Promise<SwarmTable> {
      try {
        return await tracker.locate(swarm, each);
      } catch (error) {
        nobody ||= error instanceof PiezaError && error.code === "not_found";
        throw error;
      }
    },
  }));
  try {
    const { answer, from } = await firstAnswer(places, PATIENCE, clock, signal);
    choice.answered(from.tracker);
    return answer;
  } catch (error) {
    if (nobody && !signal.aborted) return NOBODY;
    throw error;
  }
}

/** The tracker to ask first: the preferred one, or for a minute after its failure the one that answered instead. */
function trackerChoice({ trackers, clock }: LocateLoopOptions) {
  let current = trackers[0]!;
  let returnAtMs = 0;
  return {
    order(): Tracker[] {
      if (clock.now() >= returnAtMs) current = trackers[0]!;
      return [current, ...trackers.filter((tracker) => tracker !== current)];
    },
    answered(tracker: Tracker): void {
      if (tracker === current) return;
      current = tracker;
      returnAtMs = clock.now() + RETURN_MS;
    },
  };
}
