/**
 * `node scripts/repeat.ts TIMES [arguments of vitest]`: the tests again and again, to find those that do not always
 * pass. Prints a line a run, and at the end every test that ever failed and how often. By default all tests.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMain, root, runCommand } from "./run-command.ts";

/** The parts of vitest's JSON report that count. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

interface Failure {
  times: number;
  /** The first line of what it said the last time. */
  message: string;
}

/** Names of what failed in one run, with the reasons. A file that does not load fails as a whole. */
function failuresOf({ testResults }: Report): Map<string, string> {
  const failures = new Map<string, string>();
  for (const { name, status, message, assertionResults } of testResults) {
    const file = name.replace(root, "");
    const failed = assertionResults.filter((test) => test.status === "failed");
    for (const test of failed) failures.set(`${file} > ${test.fullName}`, firstLine(test.failureMessages[0]));
    if (status === "failed" && failed.length === 0) failures.set(file, firstLine(message));
  }
  return failures;
}

function firstLine(text = ""): string {
  return text.split("\n", 1)[0]!;
}

async function runOnce(folder: string, args: readonly string[]): Promise<Report | undefined> {
  const file = join(folder, "report.json");
  await rm(file, { force: true });
  await runCommand("vitest", ["run", ...args, "--reporter=json", `--outputFile.json=${file}`]);
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Report);
}

/** Returns what failed in any of the runs. */
export async function repeat(times: number, args: readonly string[]): Promise<ReadonlyMap<string, Failure>> {
  const folder = await mkdtemp(join(tmpdir(), "pieza-repeat-"));
  const all = new Map<string, Failure>();
  for (let run = 1; run <= times; run++) {
    const startMs = performance.now();
    const report = await runOnce(folder, args);
    const failures = report ? failuresOf(report) : new Map([["the run itself", "no report"]]);
    for (const [name, message] of failures) {
      all.set(name, { times: (all.get(name)?.times ?? 0) + 1, message });
    }
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
    console.log(
      `run ${run} of ${times}: ${report?.numPassedTests ?? 0} passed, ${failures.size} failed (${seconds} s)`,
    );
  }
  await rm(folder, { recursive: true, force: true });
  return all;
}

if (isMain(import.meta.filename)) {
  const [times = "20", ...args] = process.argv.slice(2);
  const failures = await repeat(Number(times), args);
  for (const [name, { times: failed, message }] of failures) {
    console.log(`failed ${failed} of ${times}: ${name}\n    ${message}`);
  }
  console.log(
    failures.size === 0 ? `${times} runs, nothing failed` : `${failures.size} failed in ${times} runs`,
  );
  process.exitCode = failures.size === 0 ? 0 : 1;
}
