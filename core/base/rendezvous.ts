/**
 * Rendezvous hashing: a thing belongs to the name with the highest score, for all who know the same names. When a
 * name joins or leaves, only its things move. It is no defence: a peer that may choose its name may choose its place.
 */
export function rendezvousScore(thing: number, name: number): number {
  return mix(name ^ mix(thing));
}

/** A 32-bit hash of a text (FNV-1a, then mixed). */
export function hashOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mix(hash);
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit of `value`. Not negative. */
function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
