import { type CopyState, copyState } from "#core/replication/copies.ts";
import { MAX_PIECE_LENGTH } from "#core/torrent/piece.ts";
import type { SwarmSnapshot } from "../store/swarm-store.ts";

/** How a tracker treats the replication targets that peers announce. */
export interface TargetOptions {
  /** Copies of every piece of a torrent without a target; 0: none. Default 0. */
  readonly replicationTarget: number;
  /** A higher target counts as this one. Default 10. */
  readonly maxReplicationTarget: number;
}

const states = new WeakMap<SwarmSnapshot, CopyState>();

/**
 * The copies of every piece that a swarm should have: the highest target that complete peers announce. Without
 * complete peers the others' targets count, or copying would stop when the last seeder leaves.
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

/** The copies of a swarm, cached by snapshot: all calls of a tracker have the same options. */
export function stateOf(swarm: SwarmSnapshot, options: TargetOptions): CopyState {
  const known = states.get(swarm);
  if (known) return known;
  const state = copyState(swarm.totalPieces, swarm.members, targetOf(swarm, options));
  states.set(swarm, state);
  return state;
}

/** The greatest piece length that a peer announces, or 16 MiB, in bytes. */
export function pieceBytesOf({ members }: SwarmSnapshot): number {
  const said = members.reduce((most, { pieceLength }) => Math.max(most, pieceLength), 0);
  return said > 0 ? said : MAX_PIECE_LENGTH;
}
