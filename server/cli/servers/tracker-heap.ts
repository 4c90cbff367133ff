import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** The young generation may always grow to this size: objects of one call are garbage before it has filled. */
const YOUNG_BYTES = 16 << 20;
/**
 * The young generation may grow to this share of the old one. A young collection also scans the pages of the old
 * generation, so its cost grows with the old one. With a million peers it takes 2.5 ms for 14 MB and 3.5 ms for 56
 * MB.
 */
const YOUNG_SHARE = 1 / 8;
const CHECK_MS = 1_000;
const GROWING_CHECK_MS = 50;

/**
 * Sets V8's heap for a tracker, which has many short calls and a large, long-lived state.
 *
 * V8 collects the old generation when it has doubled: a tracker of 10,000 peers then takes 240 MiB, with V8's default
 * 290 MiB and at times 410. At growth by half, calls over HTTP/2 would take a tenth longer. The young generation
 * starts small and reaches the 134 MB of V8's default only beside a large state.
 */
export function shapeTrackerHeap(): void {
  setFlagsFromString("--heap-growing-percent=100");
  shapeYoung();
}

/** Allows or stops growth. A collection may double the young generation, so a growing one is checked more often. */
function shapeYoung(): void {
  const { young, old } = heapBytes();
  const mayGrow = young < Math.max(YOUNG_BYTES, old * YOUNG_SHARE);
  setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
  setTimeout(shapeYoung, mayGrow ? GROWING_CHECK_MS : CHECK_MS).unref();
}

function heapBytes(): { young: number; old: number } {
  const bytes = { young: 0, old: 0 };
  for (const { space_name, space_size } of getHeapSpaceStatistics()) {
    bytes[space_name === "new_space" ? "young" : "old"] += space_size;
  }
  return bytes;
}
