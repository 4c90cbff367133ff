import { Counter, Gauge, type Registry } from "prom-client";

/** How an order ended. */
export type EndReason = "done" | "declined" | "expired" | "called_off";

/** Of all swarms that a tracker keeps at a target. */
export interface ReplicationTotals {
  /** Swarms below their target, their pieces with too few copies, and of those the ones that nobody has. */
  readonly swarms: number;
  readonly under: number;
  readonly lost: number;
  readonly underWay: number;
}

/** What a tracker counts of copies. Labels are few words of its own. */
export class ReplicationMetrics {
  readonly #registry: Registry;
  readonly #given: Counter;
  readonly #ended: Counter<"how">;
  readonly #copied: Counter;
  readonly #drops: Counter<"answer">;

  constructor(registry: Registry) {
    this.#registry = registry;
    const registers = [registry];
    const name = (what: string) => `pieza_tracker_replication_${what}`;
    this.#given = new Counter({ name: name("orders_total"), help: "Orders given to volunteers", registers });
    this.#ended = new Counter({
      name: name("orders_ended_total"),
      help: "Orders ended, by how: done, declined, expired or called_off",
      labelNames: ["how"],
      registers,
    });
    this.#copied = new Counter({
      name: name("copied_bytes_total"),
      help: "Bytes that orders copied",
      registers,
    });
    this.#drops = new Counter({
      name: name("drops_total"),
      help: "Drops that peers asked for, by answer: granted or refused",
      labelNames: ["answer"],
      registers,
    });
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

  /** Shows these figures from now on. */
  watch(totals: () => ReplicationTotals): void {
    const gauges: [string, string, keyof ReplicationTotals][] = [
      ["swarms_under_target", "Swarms with a piece that has too few copies", "swarms"],
      ["pieces_under_target", "Pieces with fewer copies than their torrents ask for", "under"],
      ["pieces_lost", "Pieces of those that nobody has", "lost"],
      ["orders_under_way", "Orders under way", "underWay"],
    ];
    for (const [name, help, figure] of gauges) {
      new Gauge({
        name: `pieza_tracker_replication_${name}`,
        help,
        registers: [this.#registry],
        collect() {
          this.set(totals()[figure]);
        },
      });
    }
  }
}
