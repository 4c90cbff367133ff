/** A tracker as `pieza tracker` runs it, for 10,000 peers of a bench; on a line of input it says what they cost it. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { trustAllowedNetworks } from "../../../server/tracker/reachability.ts";
import { startTracker } from "../../../server/tracker/tracker.ts";

const RESOLUTION_MS = 10;
const tracker = await startTracker({ port: 0, reachability: trustAllowedNetworks });
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
loop.enable();
console.log(`listening at ${tracker.url}`);

const orders = createInterface({ input: process.stdin });
orders.on("close", () => process.exit());
orders.on("line", () => {
  const loopP99Ms = Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION_MS);
  loop.reset();
  console.log(JSON.stringify({ rssBytes: process.memoryUsage().rss, loopP99Ms }));
});
