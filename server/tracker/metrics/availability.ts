import { perObject } from "../store/per-object.ts";
import type { SwarmSnapshot } from "../store/swarm-store.ts";

/** A swarm in numbers, as Scrape answers it. */
export interface SwarmCounts {
  /** Peers that have all pieces, and the other peers; draining peers count too. */
  readonly seeders: number;
  readonly leechers: number;
  /** Copies of the rarest piece at listed peers. */
  readonly minAvailability: number;
}

/**
 * Bits counted at most, those of 8,000 partial peers of 2,048 pieces. Beyond it the availability is a lower bound.
 */
const MAX_COUNTED_BITS = 16 << 20;

export const countsOf = perObject((swarm: SwarmSnapshot): SwarmCounts => {
  const seeders = swarm.members.filter(({ bitfield }) => bitfield.complete).length;
  return { seeders, leechers: swarm.members.length - seeders, minAvailability: minAvailability(swarm) };
});

function minAvailability({ members, totalPieces }: SwarmSnapshot): number {
  const listed = members.filter((member) => member.listed).map((member) => member.bitfield);
  const complete = listed.filter((bitfield) => bitfield.complete).length;
  const partial = listed.filter((bitfield) => !bitfield.complete);
  const held = partial.reduce((sum, bitfield) => sum + bitfield.count, 0);
  if (held < totalPieces) return complete;
  const copies = new Uint32Array(totalPieces);
  for (const bitfield of partial.slice(0, Math.ceil(MAX_COUNTED_BITS / totalPieces))) {
    addBits(copies, bitfield.toBytes());
  }
  return complete + copies.reduce((least, count) => Math.min(least, count));
}

/** A plain loop over bytes, because it runs over each piece of each peer. */
function addBits(copies: Uint32Array, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 0) continue;
    for (let bit = 0; bit < 8; bit++) if (byte & (0x80 >> bit)) copies[at * 8 + bit]!++;
  }
}
