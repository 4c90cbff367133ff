import { startTracker } from "../../tracker/tracker.ts";
import { readCa } from "../client-flags.ts";
import type { Invocation } from "../invocation.ts";
import type { CommonOption, ServerOption } from "../options.ts";
import { edgeOptions, serveUntilSignalled, startOn } from "../serve.ts";
import { shapeTrackerHeap } from "../tracker-heap.ts";

type Options =
  | "trackerPort"
  | "store"
  | "memory"
  | "trackerTarget"
  | "allowNetwork"
  | "trustedProxy"
  | ServerOption;

export async function run({ flags, out, signal }: Invocation<Options | CommonOption>): Promise<void> {
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
  out.event(
    "listening",
    { verb: "tracker", url: tracker.url, pid: process.pid },
    `Tracker at ${tracker.url}`,
  );
  await serveUntilSignalled(signal, tracker);
}
