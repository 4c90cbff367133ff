/**
 * The tests again and again, to find those that do not always pass.
 *
 *   node scripts/repeat.ts [TIMES] [PARTS]               all that `npm test` runs, or these parts of it
 *   node scripts/repeat.ts [TIMES] -- ARGUMENTS          what vitest runs with these arguments
 *
 * Prints a line a run, goes on after a failure, and prints at the end every test that ever failed and how often.
 * TIMES is 20 by default. What a failed run printed is kept in test-results/.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { firstLine, type Outcome } from "./outcome.ts";
import { isMain, root, runCommand } from "./run-command.ts";
import { runVitest } from "./run-vitest.ts";

export interface Failure {
  /** In how many of the runs. */
  readonly times: number;
  /** The first line of what it said the last time. */
  readonly message: string;
}

/** Runs once; `n` counts from 1. */
export type RunOnce = (n: number) => Promise<Outcome>;

/** Returns what failed in any of the runs, by name, and prints a line for each run. */
export async function repeat(
  times: number,
  runOnce: RunOnce,
  print: (line: string) => void = console.log,
): Promise<ReadonlyMap<string, Failure>> {
  const all = new Map<string, Failure>();
  for (let n = 1; n <= times; n++) {
    const startMs = performance.now();
    const { passed, failed, failures } = await runOnce(n);
    for (const [name, message] of failures) {
      all.set(name, { times: (all.get(name)?.times ?? 0) + 1, message: firstLine(message) });
    }
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
    print(`run ${n} of ${times}: ${passed} passed, ${failed} failed (${seconds} s)`);
  }
  for (const [name, { times: failed, message }] of all) {
    print(`failed ${failed} of ${times}: ${name}\n    ${message}`);
  }
  print(all.size === 0 ? `${times} runs, nothing failed` : `${all.size} failed in ${times} runs`);
  return all;
}

/** `npm test` with these parts, in a process of its own. */
async function runSuiteOnce(parts: readonly string[], n: number): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "pieza-repeat-"));
  try {
    const file = join(folder, "outcome.json");
    const args = [join(root, "scripts/test.ts"), ...parts, `--outcome=${file}`];
    const { ok, output } = await runCommand(process.execPath, args);
    if (!ok) {
      await mkdir(join(root, "test-results"), { recursive: true });
      await writeFile(join(root, `test-results/repeat-${n}.txt`), output);
    }
    const text = await readFile(file, "utf8").catch(() => undefined);
    const why = `no outcome: ${output.trim().slice(-2_000)}`;
    if (text === undefined) return { passed: 0, failed: 1, failures: new Map([["the run itself", why]]) };
    const outcome = JSON.parse(text);
    return { ...outcome, failures: new Map(outcome.failures) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (isMain(import.meta.filename)) {
  const given = process.argv.slice(2);
  const times = /^\d+$/.test(given[0] ?? "") ? Number(given.shift()) : 20;
  const split = given.indexOf("--");
  const once: RunOnce =
    split === -1 ? (n) => runSuiteOnce(given, n) : () => runVitest(given.slice(split + 1));
  const failures = await repeat(times, once);
  process.exitCode = failures.size === 0 ? 0 : 1;
}
