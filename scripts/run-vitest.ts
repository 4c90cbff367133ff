import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { firstLine, type Outcome } from "./outcome.ts";
import { inTemporaryFolder, root, runCommand } from "./run-command.ts";

/** The fields of vitest's JSON report that are used here. */
export interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      /** "passed", "failed", or another word if it did not run. */
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

export interface VitestOptions {
  /** Sends the output to the terminal. */
  readonly show?: boolean;
  /** Counts a test that did not run as failed, because it would otherwise go unnoticed. */
  readonly skippedFail?: boolean;
}

/** Runs vitest once with these arguments. */
export function runVitest(args: readonly string[], options: VitestOptions = {}): Promise<Outcome> {
  return inTemporaryFolder("pieza-report-", async (folder) => {
    const file = join(folder, "report.json");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const { ok, output } = await runCommand("vitest", ["run", ...args, ...reporters], {
      show: options.show ?? false,
    });
    const text = await readFile(file, "utf8").catch(() => undefined);
    const why = `no report: ${output.trim().slice(-2_000)}`;
    if (text === undefined) return { passed: 0, failed: 1, failures: new Map([[args.join(" "), why]]) };
    return outcomeOfReport(JSON.parse(text), ok, options.skippedFail ?? false);
  });
}

/**
 * Turns a report into an outcome. `ok` is whether vitest succeeded. A file that cannot be loaded counts as one
 * failure, and so does an error outside any test.
 */
export function outcomeOfReport(report: Report, ok: boolean, skippedFail: boolean): Outcome {
  const failures = new Map<string, string>();
  let failed = 0;
  const fail = (name: string, why: string) => {
    failed++;
    failures.set(name, why);
  };
  for (const { name, status, message, assertionResults } of report.testResults) {
    const file = name.replace(root, "");
    const before = failed;
    for (const test of assertionResults) {
      if (test.status === "failed") fail(`${file} > ${test.fullName}`, firstLine(test.failureMessages?.[0]));
      else if (skippedFail && test.status !== "passed") fail(`${file} > ${test.fullName}`, "skipped");
    }
    if (status === "failed" && failed === before) fail(file, firstLine(message));
  }
  if (!ok && failed === 0) fail("vitest", "an error outside any test");
  return { passed: report.numPassedTests, failed, failures };
}
