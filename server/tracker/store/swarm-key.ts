import type { SwarmKey } from "#core/ports/tracker.ts";

/** A swarm's key as one text, for maps in memory. */
export function swarmText({ infoHash, totalPieces }: SwarmKey): string {
  return `${infoHash} ${totalPieces}`;
}
