/**
 * `npm test`: all there is. Checks, the page's build, the tests in Node, in Chromium and against real processes, and
 * the tests of the tests. Ends with the line "N passed, N failed"; a skipped test is a failed one, because nobody would
 * notice it otherwise.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChecks } from "./check.ts";
import { runCommand } from "./run-command.ts";
import { runSabotages } from "./sabotage.ts";
import { ensureSystemPackages } from "./system-packages.ts";

interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** The parts of vitest's JSON report that count. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

async function runStep(name: string, command: string, ...args: string[]): Promise<Count> {
  const { ok, output, seconds } = await runCommand(command, args);
  console.log(`${ok ? "ok    " : "FAILED"}  ${name} (${seconds.toFixed(1)} s)`);
  if (!ok) console.log(output);
  return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** Runs one vitest project. A file that cannot be loaded and an error outside any test count as one failure each. */
async function runProject(project: string, reports: string): Promise<Count> {
  const file = join(reports, `${project}.json`);
  console.log(`\n--- tests: ${project}`);
  const args = [
    "run",
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${file}`,
  ];
  const { ok } = await runCommand("vitest", args, { show: true });
  const report = await readFile(file, "utf8").then(
    (text) => JSON.parse(text) as Report,
    () => undefined,
  );
  if (!report) return { passed: 0, failed: 1 };
  const skipped = report.numPendingTests + report.numTodoTests;
  if (skipped > 0) console.log(`${skipped} skipped: each counts as failed`);
  const unloaded = report.testResults.filter((f) => f.status === "failed" && f.assertionResults.length === 0);
  const failed = report.numFailedTests + skipped + unloaded.length;
  return { passed: report.numPassedTests, failed: ok ? failed : Math.max(1, failed) };
}

async function runAll(): Promise<Count> {
  console.log(`Node ${process.version}`);
  if (!(await ensureSystemPackages())) return { passed: 0, failed: 1 };
  const reports = await mkdtemp(join(tmpdir(), "pieza-reports-"));
  const counts = [await runChecks(), await runStep("build of the page", "vite", "build", "web")];
  for (const project of ["node", "browser", "e2e"]) counts.push(await runProject(project, reports));
  await rm(reports, { recursive: true, force: true });
  console.log("\n--- the tests, tested");
  counts.push(await runSabotages());
  return {
    passed: counts.reduce((sum, count) => sum + count.passed, 0),
    failed: counts.reduce((sum, count) => sum + count.failed, 0),
  };
}

const { passed, failed } = await runAll();
process.exitCode = failed === 0 ? 0 : 1;
console.log(`\n${passed} passed, ${failed} failed`);
