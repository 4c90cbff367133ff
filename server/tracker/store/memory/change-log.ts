import type { SwarmKey } from "#core/ports/tracker.ts";
import type { SwarmChanges } from "../swarm-store.ts";

/** Changes remembered; who asks for older ones looks at everything. */
const MAX_KEPT = 100_000;

/** Which swarms of a MemorySwarmStore changed, in order. */
export class ChangeLog<S extends { readonly key: SwarmKey }> {
  #kept: S[] = [];
  /** How many were there before the first of `#kept`. */
  #dropped = 0;

  note(swarm: S): void {
    if (this.#kept.length >= MAX_KEPT) {
      this.#dropped += MAX_KEPT / 2;
      this.#kept = this.#kept.slice(MAX_KEPT / 2);
    }
    this.#kept.push(swarm);
  }

  /** As SwarmStore.changes; `all` lists every swarm there is. */
  since(cursor: string, all: () => readonly SwarmKey[]): SwarmChanges {
    const from = cursor === "" ? -1 : Number(cursor);
    const next = String(this.#dropped + this.#kept.length);
    if (from < this.#dropped) return { cursor: next, keys: all(), all: true };
    const changed = new Set(this.#kept.slice(from - this.#dropped));
    return { cursor: next, keys: [...changed].map(({ key }) => key), all: false };
  }
}
