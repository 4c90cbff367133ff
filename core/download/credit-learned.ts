import type { DownloadInput } from "./download-input.ts";
import type { DownloadView } from "./download-view.ts";
import type { Account } from "./explain.ts";
import type { Swarm } from "./swarm.ts";

/** Enters the pieces that were fetched before the download began in its books. */
export function creditLearned(
  { learned = new Map(), store }: DownloadInput,
  { swarm, view, account }: { swarm: Swarm; view: DownloadView; account: Account },
): void {
  for (const [index, source] of learned) {
    const bytes = store.geometry.lengthOf(index);
    const peer = swarm.onLearned(source, index, bytes, store.geometry.count);
    if (!peer) continue;
    view.onLearned(index, peer.slot, bytes, source.endedAtMs);
    account.onLearned(peer, index, source);
  }
}
