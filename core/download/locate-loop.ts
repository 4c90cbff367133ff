import { type Clock, type Random, sleep } from "../base/clock.ts";
import { messageOf, PiezaError } from "../base/errors.ts";
import { firstAnswer } from "../base/first-answer.ts";
import type { LocateQuery, SwarmTable, Tracker } from "../ports/tracker.ts";

/** First pause when no tracker answers; doubled each round, at random below it. */
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;
/** A tracker that is silent for so long gets company: the next one is asked too, and the first answer counts. */
const PATIENCE = { hedgeMs: 500, answerMs: 5_000 };
/** The preferred tracker is asked first again so long after another had to answer for it. */
const RETURN_MS = 60_000;
/** Bounds on what a tracker may tell us to wait. */
const INTERVAL_MIN_MS = 500;
const INTERVAL_MAX_MS = 60_000;
/** Of what it tells us, a download's first pauses: many begin at once, and should find each other before they are done. */
const FIRST_PAUSES = [1 / 8, 1 / 4, 1 / 2];
/** The same as long as nobody gives anything: whoever comes, or comes back, is what is waited for. */
const IDLE_PAUSE = 1 / 3;
/** Part of that by which we spread, so that downloads that began together do not ask together for ever. */
const JITTER = 0.1;
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
  /** Whether nobody gives anything now, so that the next table is wanted sooner than a tracker says. */
  readonly isIdle?: () => boolean;
}

/** Asks for the swarm until `signal` is aborted. */
export async function locateLoop(options: LocateLoopOptions, signal: AbortSignal): Promise<void> {
  const { clock, random } = options;
  const choice = new TrackerChoice(options.trackers, clock);
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
 * The first answer of any tracker. One that knows no such swarm has answered too: nobody is there, unless another
 * tracker knows better. Throws the last failure if none answers.
 */
async function locateOnce(
  { swarm, clock }: LocateLoopOptions,
  choice: TrackerChoice,
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

/** Whom to ask first: the preferred tracker; for a minute after it has failed, the one that answered instead. */
class TrackerChoice {
  readonly #trackers: readonly Tracker[];
  readonly #clock: Clock;
  #current: Tracker;
  #returnAtMs = 0;

  constructor(trackers: readonly Tracker[], clock: Clock) {
    this.#trackers = trackers;
    this.#clock = clock;
    this.#current = trackers[0]!;
  }

  order(): Tracker[] {
    if (this.#clock.now() >= this.#returnAtMs) this.#current = this.#trackers[0]!;
    return [this.#current, ...this.#trackers.filter((tracker) => tracker !== this.#current)];
  }

  answered(tracker: Tracker): void {
    if (tracker === this.#current) return;
    this.#current = tracker;
    this.#returnAtMs = this.#clock.now() + RETURN_MS;
  }
}
