import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { firstLine, type Outcome } from "./outcome.ts";
import { root, runCommand } from "./run-command.ts";

/** The parts of vitest's JSON report that count. */
export interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      /** "passed", "failed", or that it was not run. */
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

export interface VitestOptions {
  /** Pass the output on to the terminal. */
  readonly show?: boolean;
  /** A test that was not run counts as failed, because nobody would notice it otherwise. */
  readonly skippedFail?: boolean;
}

/** Runs some tests once, to their end. */
export async function runVitest(args: readonly string[], options: VitestOptions = {}): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "pieza-report-"));
  try {
    const file = join(folder, "report.json");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const { ok, output } = await runCommand("vitest", ["run", ...args, ...reporters], {
      show: options.show ?? false,
    });
    const text = await readFile(file, "utf8").catch(() => undefined);
    const why = `no report: ${output.trim().slice(-2_000)}`;
    if (text === undefined) return { passed: 0, failed: 1, failures: new Map([[args.join(" "), why]]) };
    return outcomeOfReport(JSON.parse(text), ok, options.skippedFail ?? false);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * `ok`: vitest itself says that all is well. A file that cannot be loaded counts as one failure, and so does an error
 * outside any test.
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
