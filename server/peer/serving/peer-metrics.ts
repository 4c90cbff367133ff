import { Counter, Gauge, Registry } from "prom-client";
import type { UploadBudget } from "../../http/guards/upload-budget.ts";
import type { CopySpace } from "../announcing/copy-keeper.ts";
import type { ServedTorrents } from "../stores/served-torrents.ts";
import type { UploadRecord } from "./uploads.ts";

/** The figures of a peer for Prometheus. Each peer has its own registry, so that one process may run several. */
export class PeerMetrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: "pieza_piece_requests_total",
    help: "Requests for a piece, by outcome: ok or the error's code.",
    labelNames: ["info_hash", "outcome"],
    registers: [this.#registry],
  });
  readonly #bytes = new Counter({
    name: "pieza_piece_bytes_sent_total",
    help: "Bytes of pieces sent.",
    labelNames: ["info_hash"],
    registers: [this.#registry],
  });
  readonly #checked = new Counter({
    name: "pieza_pieces_checked_total",
    help: "Held pieces that were read and hashed again.",
    registers: [this.#registry],
  });
  readonly #rotten = new Counter({
    name: "pieza_pieces_rotten_total",
    help: "Checked pieces whose bytes were damaged.",
    registers: [this.#registry],
  });

  constructor(torrents: ServedTorrents, budget: UploadBudget) {
    new Gauge({
      name: "pieza_piece_bytes_in_flight",
      help: "Bytes of pieces read and not yet sent.",
      registers: [this.#registry],
      collect() {
        this.set(budget.inFlightBytes);
      },
    });
    new Gauge({
      name: "pieza_pieces_held",
      help: "Pieces held, by torrent.",
      labelNames: ["info_hash"],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { torrent, store } of torrents)
          this.set({ info_hash: torrent.infoHash }, store.held.count);
      },
    });
  }

  count({ infoHash, outcome, bytes }: UploadRecord): void {
    this.#requests.inc({ info_hash: infoHash, outcome });
    if (outcome === "ok") this.#bytes.inc({ info_hash: infoHash }, bytes);
  }

  checked(): void {
    this.#checked.inc();
  }

  rotten(): void {
    this.#rotten.inc();
  }

  /** Adds the figures of the copies that this peer keeps for others. */
  watchCopies(space: () => CopySpace): void {
    const gauges: [string, string, keyof CopySpace][] = [
      ["capacity", "Bytes lent for copies.", "capacityBytes"],
      ["used", "Bytes of copies kept.", "usedBytes"],
      ["free", "Bytes for copies that are neither used nor reserved.", "freeBytes"],
      ["copied", "Bytes copied since the start.", "copiedBytes"],
    ];
    for (const [name, help, figure] of gauges) {
      new Gauge({
        name: `pieza_copies_${name}_bytes`,
        help,
        registers: [this.#registry],
        collect() {
          this.set(space()[figure]);
        },
      });
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
