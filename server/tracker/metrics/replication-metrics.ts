import { Counter, Gauge, type Registry } from "prom-client";

/** How an order ended. */
export type EndReason = "done" | "declined" | "expired" | "called_off";

/** Totals over all swarms that a tracker keeps at a target. */
export interface ReplicationTotals {
  /** Swarms below their target, their pieces with too few copies, and those of these pieces that no peer has. */
  readonly swarms: number;
  readonly under: number;
  readonly lost: number;
  /** Orders under way. */
  readonly underWay: number;
}

const name = (suffix: string) => `pieza_tracker_replication_${suffix}`;

/** Counts what a tracker does about copies. */
export class ReplicationMetrics {
  readonly #registry: Registry;
  readonly #given: Counter;
  readonly #ended: Counter<"how">;
  readonly #copied: Counter;
  readonly #drops: Counter<"answer">;

  constructor(registry: Registry) {
    this.#registry = registry;
    const count = <L extends string>(suffix: string, help: string, labelNames: L[] = []) =>
      new Counter({ name: name(suffix), help, labelNames, registers: [registry] });
    this.#given = count("orders_total", "Orders given to volunteers");
    this.#ended = count("orders_ended_total", "Orders ended, by how: done, declined, expired or called_off", [
      "how",
    ]);
    this.#copied = count("copied_bytes_total", "Bytes that orders copied");
    this.#drops = count("drops_total", "Drops that peers asked for, by answer: granted or refused", [
      "answer",
    ]);
  }

  given(): void {
    this.#given.inc();
  }

  ended(how: EndReason): void {
    this.#ended.inc({ how });
  }

  copied(bytes: number): void {
    this.#copied.inc(bytes);
  }

  drop(granted: boolean): void {
    this.#drops.inc({ answer: granted ? "granted" : "refused" });
  }

  /** Shows these totals as gauges. */
  watch(totals: () => ReplicationTotals): void {
    const gauges: [string, string, keyof ReplicationTotals][] = [
      ["swarms_under_target", "Swarms with a piece that has too few copies", "swarms"],
      ["pieces_under_target", "Pieces with fewer copies than their torrents ask for", "under"],
      ["pieces_lost", "Pieces of those that nobody has", "lost"],
      ["orders_under_way", "Orders under way", "underWay"],
    ];
    for (const [suffix, help, figure] of gauges) {
      new Gauge({
        name: name(suffix),
        help,
        registers: [this.#registry],
        collect() {
          this.set(totals()[figure]);
        },
      });
    }
  }
}
