/**
 * A tracker in a process of its own (`node --expose-gc`, with room for all that a few thousand calls leave behind). Sends
 * its URL to its parent and then, for each message, how many bytes there are that a scavenge does not find dead and a
 * great collection does.
 */
import { getHeapSpaceStatistics } from "node:v8";
import { startTracker } from "../../../server/tracker/tracker.ts";
import { trustAllowedNetworks } from "../swarms/trust-allowed-networks.ts";

const tracker = await startTracker({ port: 0, reachability: trustAllowedNetworks });
const collect = (globalThis as unknown as { gc: (options?: { type: "minor" }) => void }).gc;

process.on("message", () => {
  // What survives two is in the old generation.
  collect({ type: "minor" });
  collect({ type: "minor" });
  const before = usedBytes();
  collect();
  process.send?.(before - usedBytes());
});
process.send?.(tracker.url);

function usedBytes(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => /^(new|old)_space$/.test(space_name));
  return spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
}
