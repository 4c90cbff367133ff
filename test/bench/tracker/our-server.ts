/** A tracker as `pieza tracker` runs it, limits on, but that it does not call peers back: the bench's peers do not exist. */
import { nodeClock } from "../../../server/node-clock.ts";
import { trustAllowedNetworks } from "../../../server/tracker/reachability.ts";
import { startTracker } from "../../../server/tracker/tracker.ts";

const direct = process.argv[2] !== "library";
const tracker = await startTracker({ port: 0, direct, reachability: trustAllowedNetworks, clock: nodeClock });
console.log(`listening at ${tracker.url}`);
