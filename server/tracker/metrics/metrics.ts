import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AnnounceEvent } from "#core/ports/tracker.ts";
import type { SwarmStore } from "../store/swarm-store.ts";

/** Upper bounds in seconds: half a millisecond in memory to a second, by when a store over a network has failed. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** What a tracker counts. Labels are the names of its calls and events: nothing that a caller could make up. */
export class TrackerMetrics {
  readonly #registry = new Registry();
  readonly #announces = this.#tally("announces_total", "Announces received, by event", "event");
  readonly #answered = this.#tally("announces_answered_total", "Answers, by listed: yes or no", "listed");
  readonly #shed = this.#tally("announces_shed_total", "Announces put off while busy, by event", "event");
  readonly #locates = this.#tally("locates_total", "LocatePieces calls received");
  readonly #seconds = new Histogram({
    name: "pieza_tracker_call_seconds",
    help: "How long calls took, by call",
    labelNames: ["call"],
    buckets: BUCKETS,
    registers: [this.#registry],
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

  /** For others who count something. */
  get registry(): Registry {
    return this.#registry;
  }

  announced(event: AnnounceEvent): void {
    this.#announces(event);
  }

  answered(listed: boolean): void {
    this.#answered(listed ? "yes" : "no");
  }

  shed(event: AnnounceEvent): void {
    this.#shed(event);
  }

  located(): void {
    this.#locates("");
  }

  /** A call that began at `startedMs`, on performance.now(), has been answered. */
  took(call: "announce" | "locate", startedMs: number): void {
    this.#seconds.observe({ call }, (performance.now() - startedMs) / 1_000);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In the Prometheus text form. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Counts one more, under a value of its label if it has one; cheaper than the library's own way to count. */
  #tally(name: string, help: string, label?: string): (value: string) => void {
    const tallies = new Map<string, number>();
    new Counter({
      name: `pieza_tracker_${name}`,
      help,
      labelNames: label ? [label] : [],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [value, count] of tallies) this.inc(label ? { [label]: value } : {}, count);
      },
    });
    return (value) => void tallies.set(value, (tallies.get(value) ?? 0) + 1);
  }

  /** What cannot be found out now (the store is away) is not a number. */
  #gauge(name: string, help: string, value: () => number | Promise<number>): void {
    new Gauge({
      name: `pieza_tracker_${name}`,
      help,
      registers: [this.#registry],
      async collect() {
        this.set(await Promise.resolve(value()).catch(() => Number.NaN));
      },
    });
  }
}
