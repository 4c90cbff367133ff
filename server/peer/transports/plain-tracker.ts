import type { Announce, Announced, LocateQuery, SwarmTable, Tracker } from "#core/ports/tracker.ts";
import { LocateTables } from "#core/rpc/locate.ts";
import { decodeLocateAnswer, encodeLocateRequest } from "#core/rpc/locate-wire.ts";
import { UnusualAnswer } from "./piece-message.ts";
import { PlainCalls } from "./plain-calls.ts";

const LOCATE_PATH = "/pieza.v1.TrackerService/LocatePieces";
const TIMEOUT_MS = 10_000;
/** As for any answer that is neither a piece nor a torrent. */
const MAX_ANSWER_BYTES = 4 << 20;

/** The same tracker over the stock library. */
interface StockTracker {
  readonly tracker: Tracker;
  readonly close: () => void;
}

/**
 * A tracker over plain sockets: LocatePieces as an ordinary Connect unary call (binary, HTTP/1.1). That is all a download
 * needs to begin, and it begins sooner than the library is loaded. What is unusual is left to the stock client for good.
 */
export class PlainTracker implements Tracker {
  readonly url: string;
  readonly #calls: PlainCalls;
  readonly #load: () => Promise<StockTracker>;
  readonly #tables = new LocateTables();
  #stock: Promise<StockTracker> | undefined;
  #unusual = false;

  /** `url`: scheme http, host and port. `load` is called once, by the first call that needs it. */
  constructor(url: string, load: () => Promise<StockTracker>) {
    this.url = url;
    this.#calls = new PlainCalls(url);
    this.#load = load;
  }

  async announce(announce: Announce, signal: AbortSignal): Promise<Announced> {
    return (await this.#loaded()).announce(announce, signal);
  }

  async locate(query: LocateQuery, signal: AbortSignal): Promise<SwarmTable> {
    if (!this.#unusual) {
      try {
        return await this.#locate(query, signal);
      } catch (error) {
        if (!(error instanceof UnusualAnswer)) throw error;
        this.#unusual = true;
      }
    }
    return (await this.#loaded()).locate(query, signal);
  }

  close(): void {
    this.#calls.close();
    this.#stock?.then(
      ({ close }) => close(),
      () => {},
    );
  }

  async #loaded(): Promise<Tracker> {
    this.#stock ??= this.#load();
    return (await this.#stock).tracker;
  }

  async #locate(query: LocateQuery, signal: AbortSignal): Promise<SwarmTable> {
    const { request, read } = this.#tables.asking(query);
    const limits = { signal, timeoutMs: TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES };
    return read(
      decodeLocateAnswer(await this.#calls.call(LOCATE_PATH, encodeLocateRequest(request), limits)),
    );
  }
}
