/**
 * Rendezvous hashing: who has the highest score for a thing gets it. Everybody who knows the same names agrees, and when
 * a name comes or goes only its own things move. Good enough to spread load, and no defence: whoever may choose its own
 * name may choose its place.
 */
export function rendezvousScore(thing: number, name: number): number {
  return mix(name ^ mix(thing));
}

/** 32 bits of a text (FNV-1a). */
export function hashOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mix(hash);
}

/** Every bit of the result depends on every bit of `value` (the end of MurmurHash3). Not negative. */
function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
