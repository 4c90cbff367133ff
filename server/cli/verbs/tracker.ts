import { setFlagsFromString } from "node:v8";
import { startTracker } from "../../tracker/tracker.ts";
import { readCa } from "../client-flags.ts";
import type { Invocation } from "../invocation.ts";
import type { CommonOption, ServerOption } from "../options.ts";
import { edgeOptions, serveUntilSignalled, startOn } from "../serve.ts";

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
  // What peers say in passing outlives a small young generation, and the old one grows to several times of what it needs
  // before it is looked through: 290 MiB for 10,000 peers instead of 210.
  setFlagsFromString("--heap-growing-percent=50");
  const tracker = await startOn("trackerPort", () => startTracker(options));
  out.event(
    "listening",
    { verb: "tracker", url: tracker.url, pid: process.pid },
    `Tracker at ${tracker.url}`,
  );
  await serveUntilSignalled(signal, tracker);
}
