import { Counter, Gauge, Registry } from "prom-client";
import type { UploadBudget } from "../../http/guards/upload-budget.ts";
import type { CopySpace } from "../announcing/copy-keeper.ts";
import type { ServedTorrents } from "../stores/served-torrents.ts";
import type { UploadRecord } from "./uploads.ts";

/** The figures of a peer for Prometheus. Each peer has its own registry, so that one process may run several. */
export class PeerMetrics {
  readonly #registry = new Registry();
  readonly #requests = this.#counter(
    "pieza_piece_requests_total",
    "Requests for a piece, by outcome: ok or the error's code.",
    ["info_hash", "outcome"],
  );
  readonly #bytes = this.#counter("pieza_piece_bytes_sent_total", "Bytes of pieces sent.", ["info_hash"]);
  readonly #content = this.#counter(
    "pieza_content_bytes_sent_total",
    "Bytes of files sent at content URLs.",
    ["info_hash"],
  );
  readonly #checked = this.#counter(
    "pieza_pieces_checked_total",
    "Held pieces that were read and hashed again.",
  );
  readonly #rotten = this.#counter("pieza_pieces_rotten_total", "Checked pieces whose bytes were damaged.");

  constructor(torrents: ServedTorrents, budget: UploadBudget) {
    this.#gauge("pieza_piece_bytes_in_flight", "Bytes of pieces read and not yet sent.", (gauge) =>
      gauge.set(budget.inFlightBytes),
    );
    const showHeld = (gauge: Gauge) => {
      gauge.reset();
      for (const { torrent, store } of torrents) gauge.set({ info_hash: torrent.infoHash }, store.held.count);
    };
    this.#gauge("pieza_pieces_held", "Pieces held, by torrent.", showHeld, ["info_hash"]);
  }

  readonly count = ({ infoHash, outcome, bytes }: UploadRecord): void => {
    this.#requests.inc({ info_hash: infoHash, outcome });
    if (outcome === "ok") this.#bytes.inc({ info_hash: infoHash }, bytes);
  };

  readonly contentSent = (infoHash: string, bytes: number): void => {
    this.#content.inc({ info_hash: infoHash }, bytes);
  };

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
    for (const [name, help, figure] of gauges)
      this.#gauge(`pieza_copies_${name}_bytes`, help, (gauge) => gauge.set(space()[figure]));
  }

  /** Adds the figures of a gateway's cache. */
  watchCache(space: () => { readonly usedBytes: number; readonly capacityBytes: number }): void {
    const show = (figure: "usedBytes" | "capacityBytes") => (gauge: Gauge) => gauge.set(space()[figure]);
    this.#gauge("pieza_cache_used_bytes", "Bytes of cached pieces.", show("usedBytes"));
    this.#gauge("pieza_cache_capacity_bytes", "Bytes that cached pieces may take.", show("capacityBytes"));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  /** `show` sets the gauge each time that Prometheus reads it. */
  #gauge(name: string, help: string, show: (gauge: Gauge) => void, labelNames: string[] = []): void {
    const registers = [this.#registry];
    const gauge: Gauge = new Gauge({ name, help, labelNames, registers, collect: () => show(gauge) });
  }
}
