import { Counter, Gauge, Registry } from "prom-client";
import type { AnnounceEvent } from "#core/tracker.ts";
import type { SwarmStore } from "./swarm-store.ts";

/** What a tracker counts. The only label is the announce's event: nothing that a caller could make up. */
export class TrackerMetrics {
  readonly #registry = new Registry();
  readonly #announces: Counter;
  readonly #locates: Counter;

  constructor(store: SwarmStore) {
    const registers = [this.#registry];
    this.#announces = new Counter({
      name: "pieza_tracker_announces_total",
      help: "Announces received, by event",
      labelNames: ["event"],
      registers,
    });
    this.#locates = new Counter({
      name: "pieza_tracker_locates_total",
      help: "LocatePieces calls received",
      registers,
    });
    gauge(registers, "pieza_tracker_leases", "Live leases", async () => (await store.counts()).leases);
    gauge(registers, "pieza_tracker_swarms", "Live swarms", async () => (await store.counts()).swarms);
  }

  announced(event: AnnounceEvent): void {
    this.#announces.inc({ event });
  }

  located(): void {
    this.#locates.inc();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In the Prometheus text form. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

function gauge(registers: Registry[], name: string, help: string, value: () => Promise<number>): void {
  new Gauge({
    name,
    help,
    registers,
    async collect() {
      this.set(await value());
    },
  });
}
