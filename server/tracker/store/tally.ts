/** Adds `by` to the counter `key` of `map` and returns the sum. A counter that is not above 0 is removed. */
export function tally<K>(map: Map<K, number>, key: K, by: 1 | -1): number {
  const count = (map.get(key) ?? 0) + by;
  if (count > 0) map.set(key, count);
  else map.delete(key);
  return count;
}
