import { createHash } from "node:crypto";
import type { SwarmMember } from "../store/swarm-store.ts";

/** Of what one peer has. */
const FINGERPRINT_BYTES = 8;
/** Those of a whole table. */
const MAX_BYTES = 50 * FINGERPRINT_BYTES;

const fingerprints = new WeakMap<SwarmMember, string>();
const revisions = new WeakMap<readonly SwarmMember[], Uint8Array<ArrayBuffer>>();

/**
 * What the peers of a table have, as short as a caller may give back to be told only of changes: a fingerprint of each
 * peer that is not complete. It says all by itself, so that no tracker has to remember what it told whom, and any
 * replica may be asked next.
 */
export function revisionOf(peers: readonly SwarmMember[]): Uint8Array<ArrayBuffer> {
  const known = revisions.get(peers);
  if (known) return known;
  const partial = peers.filter(({ bitfield }) => !bitfield.complete);
  const revision = new Uint8Array(Buffer.from(partial.map(fingerprintOf).join(""), "latin1"));
  revisions.set(peers, revision);
  return revision;
}

/** Which peers have what they had in an answer of that revision. What is no revision knows of none. */
export function unchangedSince(since: Uint8Array): (peer: SwarmMember) => boolean {
  if (since.length === 0 || since.length > MAX_BYTES) return () => false;
  const text = Buffer.from(since).toString("latin1");
  const known = new Set<string>();
  for (let at = 0; at < text.length; at += FINGERPRINT_BYTES)
    known.add(text.slice(at, at + FINGERPRINT_BYTES));
  return (peer) => !peer.bitfield.complete && known.has(fingerprintOf(peer));
}

/** One character a byte. */
function fingerprintOf(peer: SwarmMember): string {
  const known = fingerprints.get(peer);
  if (known) return known;
  const hash = createHash("sha256").update(peer.url).update("\0").update(peer.bitfield.toBytes()).digest();
  const fingerprint = hash.toString("latin1", 0, FINGERPRINT_BYTES);
  fingerprints.set(peer, fingerprint);
  return fingerprint;
}
