import { sleep } from "#core/base/clock.ts";
import { nodeClock } from "../../base/node-clock.ts";

/** Waits for `work`, but no longer than that; it goes on by itself then. */
export async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, sleep(nodeClock, ms, over.signal).catch(() => {})]);
  over.abort();
}
