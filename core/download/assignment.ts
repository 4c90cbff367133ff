import type { DownloadPeer } from "./download-peer.ts";

/** A peer is left out if the others would be done with everything this much before its one piece. */
const LATE_FACTOR = 1.5;
const LATE_SLACK_MS = 500;

/**
 * Whether one more piece from this peer would come so late that the other peers with it had better take it. That is
 * relative to them, never to an absolute speed. `idlePieces` are not requested yet. An unmeasured peer gets its
 * chance. The promptest is never too slow: the others may be faster together, but one piece comes from one peer.
 */
export function tooSlow(
  peer: DownloadPeer,
  others: readonly DownloadPeer[],
  idlePieces: number,
  pieceLength: number,
): boolean {
  const mineMs = peer.pace.expectedMs(pieceLength);
  if (mineMs === undefined) return false;
  let rate = 0;
  let pieces = idlePieces;
  let soonestMs = Number.POSITIVE_INFINITY;
  for (const other of others) {
    if (other === peer) continue;
    rate += other.pace.rate ?? 0;
    pieces += other.inFlight;
    soonestMs = Math.min(soonestMs, other.pace.expectedMs(pieceLength) ?? Number.POSITIVE_INFINITY);
  }
  const othersMs = Math.max(soonestMs, (pieces * pieceLength * 1000) / rate);
  return rate > 0 && mineMs > LATE_FACTOR * othersMs + LATE_SLACK_MS;
}
