/**
 * Round-robin per piece: among the `holders` of piece number `number`, in the order of the tracker's table, the one
 * whose turn it is. One function for clients and for the tracker, so that both name the same peer.
 *
 * `turn` grows by one an answer, so over n x k answers with the same holders each of the n is named first k times.
 * `holders` at least 1; the answer is 0 to holders - 1.
 */
export function holderInTurn(turn: number, number: number, holders: number): number {
  return (turn + number) % holders;
}
