/**
 * A tracker as `pieza tracker` runs it, limits on, but that it does not call peers back: the bench's peers do not exist.
 * Nor have they heartbeats, so their leases are long.
 */
import { setFlagsFromString } from "node:v8";
import { nodeClock } from "../../../server/base/node-clock.ts";
import { shapeTrackerHeap } from "../../../server/cli/servers/tracker-heap.ts";
import { startTracker } from "../../../server/tracker/tracker.ts";
import { trustAllowedNetworks } from "../../support/swarms/trust-allowed-networks.ts";

setFlagsFromString("--semi-space-growth-factor=1");
shapeTrackerHeap();
const tracker = await startTracker({
  port: 0,
  reachability: trustAllowedNetworks,
  trackerLimits: { leaseMs: 3_600_000 },
  clock: nodeClock,
});
console.log(`listening at ${tracker.url}`);
