import { type CopyState, copyState } from "#core/replication/copies.ts";
import { MAX_PIECE_LENGTH } from "#core/torrent/piece.ts";
import type { SwarmSnapshot } from "../store/swarm-store.ts";

/** What a tracker makes of the targets that it is told. */
export interface TargetOptions {
  /** Copies of every piece of a torrent that does not say; 0: none. Default 0. */
  readonly replicationTarget: number;
  /** More is taken for that. Default 10. */
  readonly maxReplicationTarget: number;
}

const states = new WeakMap<SwarmSnapshot, CopyState>();

/**
 * Copies of every piece that a swarm is to have: the most that complete peers ask for. When the last of them has gone,
 * what the others say counts, or copying would stop just then.
 */
export function targetOf(
  { members }: SwarmSnapshot,
  { replicationTarget, maxReplicationTarget }: TargetOptions,
): number {
  const complete = members.filter(({ bitfield }) => bitfield.complete);
  const heard = complete.length > 0 ? complete : members;
  const asked = heard.reduce((most, member) => Math.max(most, member.replicationTarget), 0);
  return Math.min(maxReplicationTarget, asked > 0 ? asked : replicationTarget);
}

/** Computed once per state of the swarm. */
export function stateOf(swarm: SwarmSnapshot, options: TargetOptions): CopyState {
  const known = states.get(swarm);
  if (known) return known;
  const state = copyState(swarm.totalPieces, swarm.members, targetOf(swarm, options));
  states.set(swarm, state);
  return state;
}

/** The longest that a piece can be, as far as anybody says. */
export function pieceBytesOf({ members }: SwarmSnapshot): number {
  const said = members.reduce((most, { pieceLength }) => Math.max(most, pieceLength), 0);
  return said > 0 ? said : MAX_PIECE_LENGTH;
}
