import { startTracker } from "../../tracker/tracker.ts";
import { readCa } from "../clients/client-flags.ts";
import type { VerbInvocation } from "../line/verb-options.ts";
import { edgeOptions, sayListening, serveUntilSignalled, startOn } from "../servers/serve.ts";
import { shapeTrackerHeap } from "../servers/tracker-heap.ts";

export async function runTracker({ flags, out, signal }: VerbInvocation<"tracker">): Promise<void> {
  const options = {
    ...edgeOptions(flags, flags.trackerPort, out),
    allowNetworks: flags.allowNetwork,
    trustedProxies: flags.trustedProxy,
    ca: await readCa(flags),
    store: flags.store,
    memoryBytes: flags.memory,
    replicationTarget: flags.trackerTarget,
  };
  shapeTrackerHeap();
  const tracker = await startOn("trackerPort", () => startTracker(options));
  sayListening("tracker", tracker.url, out);
  await serveUntilSignalled(signal, tracker);
}
