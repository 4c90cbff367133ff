import type { TorrentSummary } from "#core/ports/catalog.ts";
import type { Engine } from "../base/engine.ts";
import { type Failure, failureOf } from "../base/trouble.ts";

/** A pause in typing that means: look now. */
const TYPING_MS = 250;

/** The catalog's list as far as it is shown: what a search found, page after page. */
export class Torrents {
  found: readonly TorrentSummary[] = $state.raw([]);
  /** Matches on all pages together; undefined before the first answer. */
  total: number | undefined = $state.raw();
  /** What `found` is of. */
  search = $state("");
  problem: Failure | undefined = $state.raw();
  busy = $state(false);
  #nextPage = $state("");
  readonly #engine: Engine;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastAsked = 0;
  /** The search of the latest question, answered or not. */
  #askedSearch = "";

  constructor(engine: Engine) {
    this.#engine = engine;
    void this.look("");
  }

  get hasMore(): boolean {
    return this.#nextPage !== "";
  }

  /** Looks when the typing pauses. */
  type(search: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look(search.trim()), TYPING_MS);
  }

  /** The first page of what `search` finds. */
  look(search: string): Promise<void> {
    return this.#ask(search, "");
  }

  /** Repeats the latest search: after a failure, or because the catalog has changed. */
  again(): Promise<void> {
    return this.look(this.#askedSearch);
  }

  /** The page after the last one shown. */
  more(): Promise<void> {
    return this.#ask(this.search, this.#nextPage);
  }

  /** An answer to anything but the latest question is dropped. */
  async #ask(search: string, pageToken: string): Promise<void> {
    const asked = ++this.#lastAsked;
    this.#askedSearch = search;
    this.busy = true;
    try {
      const page = await this.#engine.call("list", { search, pageToken });
      if (asked !== this.#lastAsked) return;
      this.found = pageToken === "" ? page.torrents : [...this.found, ...page.torrents];
      this.total = page.totalSize;
      this.search = search;
      this.#nextPage = page.nextPageToken;
      this.problem = undefined;
    } catch (error) {
      if (asked === this.#lastAsked) this.problem = failureOf(error);
    } finally {
      if (asked === this.#lastAsked) this.busy = false;
    }
  }
}
