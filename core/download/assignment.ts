import type { DownloadPeer, PieceRequest } from "./download-peer.ts";

/** A peer is left out if the others would be done with everything this much before its one piece. */
const LATE_FACTOR = 1.5;
const LATE_SLACK_MS = 500;
const UNBEGUN_SLACK_MS = 100;
/** A request is overdue after this many times its fair duration, and the slack. */
const OVERDUE_FACTOR = 3;
const OVERDUE_SLACK_MS = 250;
/** The assumed duration of a piece while neither peer has been measured. */
const UNMEASURED_MS = 1_000;

/** Requests for one piece at a time: the first and one hedge. */
export const MAX_REQUESTERS = 2;

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

/**
 * Picks the request of another peer that this idle peer should make too: an overdue one, or one that is due later
 * than twice the time that this peer needs. Of several, the one that is worst off.
 */
export function worthHedging(
  peer: DownloadPeer,
  requests: Iterable<PieceRequest>,
  now: number,
  pieceLength: number,
): PieceRequest | undefined {
  const mineMs = peer.pace.expectedMs(pieceLength) ?? UNMEASURED_MS;
  let worst: PieceRequest | undefined;
  let worstMs = 0;
  for (const request of requests) {
    const elapsedMs = now - request.startedMs;
    // Requests at one peer share its rate, so each is due when all of them are. An unmeasured peer is assumed to be
    // as fast as this one.
    const { rate } = request.peer.pace;
    const pieceMs = rate === undefined ? mineMs : (pieceLength * 1000) / rate;
    const fairMs = pieceMs * request.peer.inFlight;
    const overdue = elapsedMs > OVERDUE_FACTOR * fairMs + OVERDUE_SLACK_MS;
    const leftMs = fairMs - elapsedMs;
    // Before its first byte, a request that is cancelled wastes nothing, so the slack is short.
    const slackMs = request.receiver.received === 0 ? UNBEGUN_SLACK_MS : LATE_SLACK_MS;
    const badMs = overdue ? Number.MAX_SAFE_INTEGER / 2 + elapsedMs : leftMs - 2 * mineMs - slackMs;
    if (badMs > worstMs) [worst, worstMs] = [request, badMs];
  }
  return worst;
}
