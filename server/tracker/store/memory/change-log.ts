import type { SwarmKey } from "#core/ports/tracker.ts";
import type { SwarmChanges } from "../swarm-store.ts";

/** Changes kept in the log. A reader whose cursor is older gets all swarms. */
const MAX_KEPT = 100_000;

/** The swarms of a MemorySwarmStore in the order in which they changed. */
export class ChangeLog<S extends { readonly key: SwarmKey }> {
  #kept: S[] = [];
  /** Changes dropped from the start of the log; a cursor counts them too. */
  #dropped = 0;

  note(swarm: S): void {
    if (this.#kept.length >= MAX_KEPT) {
      this.#dropped += MAX_KEPT / 2;
      this.#kept = this.#kept.slice(MAX_KEPT / 2);
    }
    this.#kept.push(swarm);
  }

  /** Implements SwarmStore.changes; `all` lists every swarm. */
  since(cursor: string, all: () => readonly SwarmKey[]): SwarmChanges {
    const from = cursor === "" ? -1 : Number(cursor);
    const next = String(this.#dropped + this.#kept.length);
    if (from < this.#dropped) return { cursor: next, keys: all(), all: true };
    const changed = new Set(this.#kept.slice(from - this.#dropped));
    return { cursor: next, keys: [...changed].map(({ key }) => key), all: false };
  }
}
