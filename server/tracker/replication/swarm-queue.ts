import type { SwarmKey } from "#core/ports/tracker.ts";
import type { CopyState } from "#core/replication/copies.ts";
import { swarmText } from "../store/swarm-key.ts";

/** A swarm below its target is planned again after this time even without a change: a volunteer may have come. */
const AGAIN_MS = 2_000;

interface Needy {
  readonly key: SwarmKey;
  readonly state: CopyState;
  readonly dueAtMs: number;
}

/** The swarms to plan: those that changed, and from time to time those below their target. */
export class SwarmQueue {
  readonly #changed = new Map<string, SwarmKey>();
  /** Swarms below their target, in the order in which they are due. */
  readonly #needy = new Map<string, Needy>();
  #under = 0;
  #lost = 0;

  /** Swarms below their target, their pieces with too few copies, and those of these that no peer has. */
  get totals(): { readonly swarms: number; readonly under: number; readonly lost: number } {
    return { swarms: this.#needy.size, under: this.#under, lost: this.#lost };
  }

  changed(key: SwarmKey): void {
    this.#changed.set(swarmText(key), { infoHash: key.infoHash, totalPieces: key.totalPieces });
  }

  /** Takes up to `most` due swarms, those that changed first. */
  take(nowMs: number, most: number): SwarmKey[] {
    const taken: SwarmKey[] = [];
    for (const [id, key] of this.#changed) {
      if (taken.length >= most) return taken;
      this.#changed.delete(id);
      taken.push(key);
    }
    for (const { key, dueAtMs } of this.#needy.values()) {
      if (taken.length >= most || dueAtMs > nowMs) break;
      taken.push(key);
    }
    return taken;
  }

  /** Notes the state of a planned swarm. Returns whether it has lost more pieces than before. */
  seen(key: SwarmKey, state: CopyState | undefined, nowMs: number): boolean {
    const before = this.#needy.get(swarmText(key));
    this.#needy.delete(swarmText(key));
    this.#count(before?.state, -1);
    if (!state || state.under === 0) return false;
    this.#needy.set(swarmText(key), { key, state, dueAtMs: nowMs + AGAIN_MS });
    this.#count(state, 1);
    return state.lost > (before?.state.lost ?? 0);
  }

  #count(state: CopyState | undefined, sign: 1 | -1): void {
    this.#under += sign * (state?.under ?? 0);
    this.#lost += sign * (state?.lost ?? 0);
  }
}
