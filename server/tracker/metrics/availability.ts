import type { SwarmSnapshot } from "../store/swarm-store.ts";

/** How many peers of a swarm have all of it, and how many copies of the rarest piece others are told of. */
export interface SwarmCounts {
  readonly seeders: number;
  readonly leechers: number;
  readonly minAvailability: number;
}

/** Above it (8,000 partial peers of 2,048 pieces) the rarest piece has at least as many copies as we say. */
const MAX_COUNTED_BITS = 16 << 20;

const known = new WeakMap<SwarmSnapshot, SwarmCounts>();

/** Draining peers count as peers; the copies are those of listed peers. Computed once per state of the swarm. */
export function countsOf(swarm: SwarmSnapshot): SwarmCounts {
  let counts = known.get(swarm);
  if (!counts) {
    const seeders = swarm.members.filter(({ bitfield }) => bitfield.complete).length;
    counts = { seeders, leechers: swarm.members.length - seeders, minAvailability: minAvailability(swarm) };
    known.set(swarm, counts);
  }
  return counts;
}

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

/** Spelled out: this is the tracker's only loop over pieces. */
function addBits(copies: Uint32Array, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 0) continue;
    for (let bit = 0; bit < 8; bit++) if (byte & (0x80 >> bit)) copies[at * 8 + bit]!++;
  }
}
