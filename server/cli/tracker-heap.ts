import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** What a call leaves behind is dead before so much has come after it, of either half of the young generation. */
const YOUNG_BYTES = 16 << 20;
const LOOK_MS = 50;

/**
 * Shapes the heap of a process that is a tracker: many short calls, and a state that lives long.
 *
 * The old generation is looked through when it has doubled, because with V8's own patience a tracker of 10,000 peers takes
 * 290 MiB, and 410 at times, where so it takes 240; at half as much more, calls over HTTP/2 would take a tenth longer. The
 * young one may grow from the little that it has, but not to the 134 MB that it would take.
 */
export function shapeTrackerHeap(): void {
  setFlagsFromString("--heap-growing-percent=100");
  setFlagsFromString("--semi-space-growth-factor=2");
  const look = setInterval(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
    if (young && young.space_size < YOUNG_BYTES) return;
    setFlagsFromString("--semi-space-growth-factor=1");
    clearInterval(look);
  }, LOOK_MS).unref();
}
