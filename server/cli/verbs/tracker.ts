import { startTracker } from "../../tracker/tracker.ts";
import { readCa } from "../clients/client-flags.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption, ServerOption } from "../line/options.ts";
import { edgeOptions, serveUntilSignalled, startOn } from "../servers/serve.ts";
import { shapeTrackerHeap } from "../servers/tracker-heap.ts";

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
