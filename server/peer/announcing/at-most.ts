import { sleep } from "#core/base/clock.ts";
import { nodeClock } from "../../base/node-clock.ts";

/** Waits for `work`, but at most `ms`; after that `work` continues in the background. */
export async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, sleep(nodeClock, ms, over.signal).catch(() => {})]);
  over.abort();
}
