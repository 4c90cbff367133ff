import { afterEach } from "vitest";
import type { Download } from "#core/download/download.ts";
import type { FakeSwarm } from "./fake-swarm.ts";

let running: Download | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

/** Starts a download, and stops it after the test. */
export function start(swarm: FakeSwarm, ...args: Parameters<FakeSwarm["download"]>): Download {
  running = swarm.download(...args);
  running.start();
  return running;
}

export const ended = (download: Download) => () => ["complete", "failed"].includes(download.peek().state);

/** The numbers from `from` to before `to`. */
export const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
