/** The parts of `npm test`, each of which can run alone. */
import { runChecks } from "./check.ts";
import { type Outcome, outcomeOf, sumOf } from "./outcome.ts";
import { runCommand } from "./run-command.ts";
import { runVitest } from "./run-vitest.ts";
import { runSabotages } from "./sabotage.ts";
import { ensureSystemPackages } from "./system-packages.ts";

const parts: Readonly<Record<string, () => Promise<Outcome>>> = {
  checks: runChecks,
  build: buildPage,
  node: () => runProject("node"),
  browser: () => runProject("browser"),
  e2e: () => runProject("e2e*"),
  sabotages: () => runSabotages(),
};

export const partNames: readonly string[] = Object.keys(parts);

/** Builds the page for the e2e tests. */
async function buildPage(): Promise<Outcome> {
  const { ok, output, seconds } = await runCommand("vite", ["build", "web"]);
  console.log(`${ok ? "ok    " : "FAILED"}  build of the page (${seconds.toFixed(1)} s)`);
  if (ok) return outcomeOf(1, new Map());
  console.log(output);
  return outcomeOf(0, new Map([["build of the page", output.trim()]]));
}

function runProject(project: string): Promise<Outcome> {
  return runVitest(["--project", project], { show: true, skippedFail: true });
}

/**
 * Runs these parts one after the other, also after one has failed, and prints the duration of each. Missing system
 * packages are installed during the checks, which need none. The part e2e includes the build of the page.
 */
export async function runSuite(names: readonly string[] = partNames): Promise<Outcome> {
  console.log(`Node ${process.version}`);
  const system = ensureSystemPackages();
  const outcomes: Outcome[] = [];
  for (const name of partNames) {
    if (!names.includes(name) && !(name === "build" && names.includes("e2e"))) continue;
    if (name !== "checks" && !(await system)) break;
    outcomes.push(await runPart(name));
  }
  if (!(await system)) outcomes.push(outcomeOf(0, new Map([["system", "system packages are missing"]])));
  return sumOf(outcomes);
}

async function runPart(name: string): Promise<Outcome> {
  console.log(`\n--- ${name}`);
  const startMs = performance.now();
  const outcome = await parts[name]!();
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
  console.log(`--- ${name}: ${outcome.passed} passed, ${outcome.failed} failed (${seconds} s)`);
  return outcome;
}
