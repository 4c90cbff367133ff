import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, expect } from "vitest";

/** For what was let go of at the end of a test to be gone: sockets close in their own time. */
const PATIENCE_MS = 15_000;
const LOOK_MS = 10;

/** What keeps a process alive, but for what belongs to others: pipes to the test's runner, reads that end by themselves. */
const WATCHED = new Set([
  "Timeout",
  "TCPSocketWrap",
  "TCPServerWrap",
  "Worker",
  "MessagePort",
  "ProcessWrap",
]);

/** How many there are, by kind. */
export type Counts = Readonly<Record<string, number>>;

/** Of these names, how often each. */
export function countOf(names: Iterable<string>): Counts {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** This process's active resources and open files with a path. */
export function held(): Counts {
  const active = process.getActiveResourcesInfo().filter((what) => WATCHED.has(what));
  return countOf([...active, ...openFiles().map((path) => `file ${path}`)]);
}

function openFiles(): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`);
      return /^\/(?!dev\/|proc\/)/.test(path) ? [path] : [];
    } catch {
      return [];
    }
  });
}

/** Connections that `fetch` keeps open for the next call to the same server are Node's, not ours. */
async function closeIdleFetches(): Promise<void> {
  const key = Symbol.for("undici.globalDispatcher.1");
  const shared = globalThis as unknown as Record<
    symbol,
    { destroy(): Promise<void>; constructor: new () => unknown }
  >;
  const dispatcher = shared[key];
  if (!dispatcher) return;
  Object.assign(shared, { [key]: new dispatcher.constructor() });
  await dispatcher.destroy();
}

/**
 * For a setup file: what the tests of a file start has ended when they have. That is asked after each test where `each`
 * fits the file's path, else after the last one.
 */
export function expectNoLeaks(look: () => Counts, each: RegExp): void {
  const fileStart = look();
  let testStart: Counts = {};
  // A test that failed may have left anything; that it failed is known already, and nobody has to wait for more.
  let failed = false;
  beforeEach(() => {
    testStart = look();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") failed = true;
    else if (each.test(expect.getState().testPath ?? "")) await expectNoMore(testStart, look);
  });
  afterAll(async () => {
    if (!failed) await expectNoMore(fileStart, look);
  });
}

/** Fails unless what `look` finds more of than before goes away. */
async function expectNoMore(before: Counts, look: () => Counts): Promise<void> {
  const more = () =>
    Object.fromEntries(
      Object.entries(look())
        .map(([what, count]) => [what, count - (before[what] ?? 0)] as const)
        .filter(([, count]) => count > 0),
    );
  const deadlineMs = performance.now() + PATIENCE_MS;
  let left = more();
  if (left.TCPSocketWrap) await closeIdleFetches();
  for (; Object.keys(left).length > 0 && performance.now() < deadlineMs; left = more()) {
    await setTimeout(LOOK_MS);
  }
  expect(left, "left behind").toEqual({});
}
