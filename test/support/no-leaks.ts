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

type Counts = Readonly<Record<string, number>>;

/** Counts of active resources, and of open files with a path, by kind. */
function held(): Counts {
  const counts: Record<string, number> = {};
  const add = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  for (const what of process.getActiveResourcesInfo()) if (WATCHED.has(what)) add(what);
  for (const path of openFiles()) add(`file ${path}`);
  return counts;
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

/** What there is more of than before. */
function more(before: Counts): Counts {
  return Object.fromEntries(
    Object.entries(held())
      .map(([what, count]) => [what, count - (before[what] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
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

/** Fails unless what there was more of than before goes away. */
async function expectNoMore(before: Counts): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  let left = more(before);
  if (left.TCPSocketWrap) await closeIdleFetches();
  for (; Object.keys(left).length > 0 && performance.now() < deadlineMs; left = more(before)) {
    await setTimeout(LOOK_MS);
  }
  expect(left, "left behind").toEqual({});
}

/**
 * For tests in Node: what they start has ended when they have. Where each test starts all that it needs, that is asked
 * after each; where one server or one swarm of processes is for all tests of a file, after the last.
 */
const AFTER_EACH = /\/test\/(core|faults|simulation|server\/(peer|tracker))\//;
const fileStart = held();
let testStart: Counts = {};
/** A test that failed may have left anything; that it failed is known already, and nobody has to wait for more. */
let failed = false;

beforeEach(() => {
  testStart = held();
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") failed = true;
  else if (AFTER_EACH.test(expect.getState().testPath ?? "")) await expectNoMore(testStart);
});

afterAll(async () => {
  if (!failed) await expectNoMore(fileStart);
});
