/**
 * Repeats the tests to find those that fail only sometimes.
 *
 *   node scripts/repeat.ts [TIMES] [PARTS]               `npm test` as a whole or these parts of it
 *   node scripts/repeat.ts [TIMES] -- ARGUMENTS          vitest with these arguments
 *
 * Prints a line for each run, goes on after a failure, and finally prints every test that failed and how often.
 * TIMES is 20 by default. The output of a failed run is kept in test-results/.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { firstLine, type Outcome } from "./outcome.ts";
import { inTemporaryFolder, isMain, root, runCommand } from "./run-command.ts";
import { runVitest } from "./run-vitest.ts";

export interface Failure {
  /** The number of runs in which it failed. */
  readonly times: number;
  /** The first line of its last message. */
  readonly message: string;
}

/** Makes run number `n`, from 1. */
export type RunOnce = (n: number) => Promise<Outcome>;

/** Prints a line for each run. Returns the tests that failed in any run, by name. */
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

/** Runs these parts of `npm test` in a process of its own. */
function runSuiteOnce(parts: readonly string[], n: number): Promise<Outcome> {
  return inTemporaryFolder("pieza-repeat-", async (folder) => {
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
  });
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
