/** Loaded into a process that is measured; on SIGUSR2 it says how late its event loop has been since it said so last. */
import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 10;
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
loop.enable();
process.on("SIGUSR2", () => {
  const loopP99Ms = Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION_MS);
  loop.reset();
  console.error(JSON.stringify({ loopP99Ms }));
});
