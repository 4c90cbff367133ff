import type { PeerTiming } from "./peer.ts";

/** An hour: no request of ours takes longer. */
const MAX_MS = 3_600_000;
/** A header of ours has about 40 characters; a longer one may be anything. */
const MAX_CHARS = 1_000;

/** Parses a piece's Server-Timing header, as in "limit;dur=12.3, read;dur=0.4". Undefined if it has neither time. */
export function parseServerTiming(header: string | null | undefined): PeerTiming | undefined {
  if (!header || header.length > MAX_CHARS) return undefined;
  const times = new Map<string, number>();
  for (const part of header.split(",")) {
    const [, name, ms] = /^\s*(limit|read)\s*;\s*dur=(\d{1,9}(?:\.\d{1,6})?)\s*$/.exec(part) ?? [];
    if (name !== undefined) times.set(name, Math.min(Number(ms), MAX_MS));
  }
  if (times.size === 0) return undefined;
  return { limitMs: times.get("limit") ?? 0, readMs: times.get("read") ?? 0 };
}
