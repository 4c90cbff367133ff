import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AnnounceEvent } from "#core/ports/tracker.ts";
import type { SwarmStore } from "../store/swarm-store.ts";

/** Upper bounds in seconds: from half a millisecond in memory to beyond the time limit of a remote store. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Counts the calls of a tracker. Labels are names of its calls and events, never texts of a caller. */
export class TrackerMetrics {
  /** Other counters of this tracker register here too. */
  readonly registry = new Registry();
  readonly announced = this.#tally<AnnounceEvent>("announces_total", "Announces received, by event", "event");
  readonly shed = this.#tally<AnnounceEvent>(
    "announces_shed_total",
    "Announces put off while busy, by event",
    "event",
  );
  readonly located = this.#tally<"">("locates_total", "LocatePieces calls received");
  readonly #answered = this.#tally("announces_answered_total", "Answers, by listed: yes or no", "listed");
  readonly #seconds = new Histogram({
    name: "pieza_tracker_call_seconds",
    help: "How long calls took, by call",
    labelNames: ["call"],
    buckets: BUCKETS,
    registers: [this.registry],
  });

  /** `delayMs`: how late the event loop is. */
  constructor(store: SwarmStore, delayMs: () => number) {
    this.#gauge("leases", "Live leases", async () => (await store.counts()).leases);
    this.#gauge("swarms", "Live swarms", async () => (await store.counts()).swarms);
    this.#gauge("event_loop_delay_seconds", "75th percentile of the last second", () => delayMs() / 1_000);
    if (!store.troubles) return;
    this.#gauge("store_errors", "Commands to the store that failed", () => store.troubles?.errors ?? 0);
    this.#gauge(
      "store_garbage",
      "Values in the store that were passed over",
      () => store.troubles?.garbage ?? 0,
    );
  }

  answered(listed: boolean): void {
    this.#answered(listed ? "yes" : "no");
  }

  /** Runs a call and measures how long it takes. */
  async timed<T>(call: "announce" | "locate", run: () => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    try {
      return await run();
    } finally {
      this.#seconds.observe({ call }, (performance.now() - startedMs) / 1_000);
    }
  }

  /**
   * Returns a function that adds 1 to a counter, under a value of its label. It is cheaper than the library's `inc`.
   */
  #tally<V extends string>(name: string, help: string, label?: string): (value: V) => void {
    const tallies = new Map<string, number>();
    new Counter({
      name: `pieza_tracker_${name}`,
      help,
      labelNames: label ? [label] : [],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [value, count] of tallies) this.inc(label ? { [label]: value } : {}, count);
      },
    });
    return (value) => void tallies.set(value, (tallies.get(value) ?? 0) + 1);
  }

  /** Shows NaN if `value` fails, because the store is away. */
  #gauge(name: string, help: string, value: () => number | Promise<number>): void {
    new Gauge({
      name: `pieza_tracker_${name}`,
      help,
      registers: [this.registry],
      async collect() {
        this.set(await Promise.resolve(value()).catch(() => Number.NaN));
      },
    });
  }
}
