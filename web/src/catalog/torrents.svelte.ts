import type { TorrentSummary } from "#core/ports/catalog.ts";
import type { Engine } from "../base/engine.ts";
import { type Failure, failureOf } from "../base/trouble.ts";
import { searchedFor } from "./open-url.ts";

/** Characters of a search. The catalog refuses longer ones. */
const MAX_SEARCH = 255;
/** A search starts when the typing pauses for this long. */
const TYPING_MS = 250;

/** The pages of the catalog's list that were loaded for one search. */
export class Torrents {
  found: readonly TorrentSummary[] = $state.raw([]);
  /** Matches on all pages; undefined before the first answer. */
  total: number | undefined = $state.raw();
  /** The search that found `found`. */
  search = $state("");
  problem: Failure | undefined = $state.raw();
  busy = $state(false);
  #nextPage = $state("");
  readonly #engine: Engine;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastAsked = 0;
  /** The search of the latest request, answered or not. */
  #askedSearch = "";

  constructor(engine: Engine) {
    this.#engine = engine;
    void this.look("");
  }

  get hasMore(): boolean {
    return this.#nextPage !== "";
  }

  /** Searches when the typing pauses. */
  type(search: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look(searchedFor(search).slice(0, MAX_SEARCH)), TYPING_MS);
  }

  /** Loads the first page of this search. */
  look(search: string): Promise<void> {
    return this.#ask(search, "");
  }

  /** Repeats the latest search, after a failure or a change of the catalog. */
  again(): Promise<void> {
    return this.look(this.#askedSearch);
  }

  /** Loads the next page. */
  more(): Promise<void> {
    return this.#ask(this.search, this.#nextPage);
  }

  /** Only the answer to the latest request counts. */
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
