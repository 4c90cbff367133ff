/**
 * Round-robin per piece: which of the `holders` (at least 1, in the order of the tracker's table) has its turn for
 * piece number `number`, 0 to holders - 1. Clients and the tracker share this function, so both name the same peer.
 *
 * `turn` grows by one with each answer: over n x k answers with the same n holders, each is named first k times.
 */
export function holderInTurn(turn: number, number: number, holders: number): number {
  return (turn + number) % holders;
}
