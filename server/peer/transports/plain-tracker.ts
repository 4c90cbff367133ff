import type { LookupFunction } from "node:net";
import type { Announce, Announced, LocateQuery, SwarmTable, Tracker } from "#core/ports/tracker.ts";
import { LocateTables } from "#core/rpc/locate.ts";
import { decodeLocateAnswer, encodeLocateRequest } from "#core/rpc/locate-wire.ts";
import { PlainCalls } from "./plain-calls.ts";
import { UntilUnusual } from "./unusual-answer.ts";

const LOCATE_PATH = "/pieza.v1.TrackerService/LocatePieces";
const TIMEOUT_MS = 10_000;
/** Limit on every answer that is neither a piece nor a torrent. */
const MAX_ANSWER_BYTES = 4 << 20;

/** A tracker whose connections can be closed; calls under way fail then. */
export type OpenTracker = Tracker & { close(): void };

/**
 * A tracker over plain sockets: LocatePieces as an ordinary Connect unary call (binary, HTTP/1.1). A download begins
 * with that call, and makes it before the Connect library could be loaded. Announces, and every call after an unusual
 * answer, go through the library.
 */
export class PlainTracker implements OpenTracker {
  readonly url: string;
  readonly #calls: PlainCalls;
  readonly #load: () => Promise<OpenTracker>;
  readonly #tables = new LocateTables();
  readonly #untilUnusual = new UntilUnusual();
  #loading: Promise<OpenTracker> | undefined;

  /**
   * `url`: scheme http, host and port. `load` makes the library's client; the first call that needs it calls it.
   * `lookup` resolves the host.
   */
  constructor(url: string, load: () => Promise<OpenTracker>, lookup?: LookupFunction) {
    this.url = url;
    this.#calls = new PlainCalls(url, lookup);
    this.#load = load;
  }

  async announce(announce: Announce, signal: AbortSignal): Promise<Announced> {
    return (await this.#loaded()).announce(announce, signal);
  }

  async locate(query: LocateQuery, signal: AbortSignal): Promise<SwarmTable> {
    return this.#untilUnusual.call(
      () => this.#locate(query, signal),
      async () => (await this.#loaded()).locate(query, signal),
    );
  }

  close(): void {
    this.#calls.close();
    this.#loading?.then(
      (tracker) => tracker.close(),
      () => {},
    );
  }

  #loaded(): Promise<Tracker> {
    this.#loading ??= this.#load();
    return this.#loading;
  }

  async #locate(query: LocateQuery, signal: AbortSignal): Promise<SwarmTable> {
    const { request, read } = this.#tables.asking(query);
    const limits = { signal, timeoutMs: TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES };
    return read(
      decodeLocateAnswer(await this.#calls.call(LOCATE_PATH, encodeLocateRequest(request), limits)),
    );
  }
}
