import { createHash } from "node:crypto";
import { perObject } from "../store/per-object.ts";
import type { SwarmMember } from "../store/swarm-store.ts";
import { TABLE_SIZE } from "./windows.ts";

/** Bytes that identify what one peer has. */
const FINGERPRINT_BYTES = 8;
const MAX_BYTES = TABLE_SIZE * FINGERPRINT_BYTES;

/**
 * The revision of a table: a fingerprint of each peer that is not complete. A caller sends it back to be told only of
 * changes. No tracker has to remember its answers, and any replica can take the next call.
 */
export const revisionOf = perObject((peers: readonly SwarmMember[]): Uint8Array<ArrayBuffer> => {
  const partial = peers.filter(({ bitfield }) => !bitfield.complete);
  return new Uint8Array(Buffer.from(partial.map(fingerprintOf).join(""), "latin1"));
});

/**
 * Returns a test whether a peer has what it had in the answer of this revision. A malformed revision knows no peer.
 */
export function unchangedSince(since: Uint8Array): (peer: SwarmMember) => boolean {
  if (since.length === 0 || since.length > MAX_BYTES) return () => false;
  const text = Buffer.from(since).toString("latin1");
  const known = new Set<string>();
  for (let at = 0; at < text.length; at += FINGERPRINT_BYTES)
    known.add(text.slice(at, at + FINGERPRINT_BYTES));
  return (peer) => !peer.bitfield.complete && known.has(fingerprintOf(peer));
}

/** One character for each byte. */
const fingerprintOf = perObject((peer: SwarmMember): string => {
  const hash = createHash("sha256").update(peer.url).update("\0").update(peer.bitfield.toBytes()).digest();
  return hash.toString("latin1", 0, FINGERPRINT_BYTES);
});
