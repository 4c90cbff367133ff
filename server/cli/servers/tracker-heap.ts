import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** What a call leaves behind is dead before so much has come after it, of either half of the young generation. */
const YOUNG_BYTES = 16 << 20;
/**
 * With a large state it may be larger: looking through it takes the longer the more the old one holds, of which every page
 * is asked what it knows of the young. With a million peers that is 2.5 ms for 14 MB, and 3.5 ms for 56 MB.
 */
const YOUNG_SHARE = 1 / 8;
const LOOK_MS = 1_000;
const GROWING_LOOK_MS = 50;

/**
 * Shapes the heap of a process that is a tracker: many short calls, and a state that lives long.
 *
 * The old generation is looked through when it has doubled, because with V8's own patience a tracker of 10,000 peers takes
 * 290 MiB, and 410 at times, where so it takes 240; at half as much more, calls over HTTP/2 would take a tenth longer. The
 * young one may grow from the little that it has, but to the 134 MB that it would take only beside a large state.
 */
export function shapeTrackerHeap(): void {
  setFlagsFromString("--heap-growing-percent=100");
  shapeYoung();
}

/** It doubles whenever it is looked through, so that it is watched more closely while it may. */
function shapeYoung(): void {
  const { young, old } = heapBytes();
  const mayGrow = young < Math.max(YOUNG_BYTES, old * YOUNG_SHARE);
  setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
  setTimeout(shapeYoung, mayGrow ? GROWING_LOOK_MS : LOOK_MS).unref();
}

function heapBytes(): { young: number; old: number } {
  const bytes = { young: 0, old: 0 };
  for (const { space_name, space_size } of getHeapSpaceStatistics()) {
    bytes[space_name === "new_space" ? "young" : "old"] += space_size;
  }
  return bytes;
}
