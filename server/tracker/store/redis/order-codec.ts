import type { PieceRange, SwarmKey } from "#core/ports/tracker.ts";
import type { Order } from "../order-store.ts";
import { isCount, isPeerUrl, tryParseJson } from "./parse.ts";
import type { LiveRow } from "./tables.ts";

const MAX_RANGES = 4_096;
const MAX_SOURCES = 8;
const MAX_URL_LENGTH = 2_048;

/** An order as the row of a table of orders. The volunteer's lease, URL and zone are those of the row's lease. */
export function encodeOrder({ id, ranges, sources, pieceBytes, left, toldAtMs, movedAtMs }: Order): string {
  const pairs = ranges.map(({ first, last }) => [first, last]);
  return JSON.stringify([id, pairs, sources, [pieceBytes, left, toldAtMs, movedAtMs]]);
}

/** Reads the row of encodeOrder. Undefined if it is malformed: other programs may write to Redis too. */
export function decodeOrder({ rest, lease }: LiveRow, key: SwarmKey): Order | undefined {
  const list = tryParseJson(rest.toString());
  const [id, pairs, sources, numbers] = Array.isArray(list) ? (list as unknown[]) : [];
  if (typeof id !== "string" || !/^[0-9a-f]{32}$/.test(id)) return undefined;
  if (!Array.isArray(sources) || sources.length > MAX_SOURCES || !sources.every(isUrl)) return undefined;
  if (!Array.isArray(numbers) || numbers.length !== 4 || !numbers.every(isCount)) return undefined;
  const ranges = rangesOf(pairs, key.totalPieces);
  if (!ranges) return undefined;
  const [pieceBytes, left, toldAtMs, movedAtMs] = numbers as [number, number, number, number];
  const { id: leaseId, url, zone = "" } = lease;
  return { ...key, id, leaseId, url, zone, ranges, sources, pieceBytes, left, toldAtMs, movedAtMs };
}

function rangesOf(pairs: unknown, totalPieces: number): PieceRange[] | undefined {
  if (!Array.isArray(pairs) || pairs.length > MAX_RANGES) return undefined;
  const ranges: PieceRange[] = [];
  let next = 0;
  for (const pair of pairs) {
    const [first, last] = Array.isArray(pair) ? pair : [];
    if (!Number.isInteger(first) || !Number.isInteger(last)) return undefined;
    if (first < next || last < first || last >= totalPieces) return undefined;
    ranges.push({ first, last });
    next = last + 1;
  }
  return ranges;
}

function isUrl(text: unknown): text is string {
  return typeof text === "string" && text.length <= MAX_URL_LENGTH && isPeerUrl(text);
}
