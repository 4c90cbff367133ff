/**
 * Tests the tests: breaks the code in one place, in a copy of the tree, and wants the test that is named for it to
 * fail. `node scripts/sabotage.ts [words]` tries those whose description has the words; part of `npm test`.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Sabotage } from "../test/sabotage/sabotage.ts";
import { sabotages } from "../test/sabotage/sabotages.ts";
import { firstLine, type Outcome, outcomeOf } from "./outcome.ts";
import { isMain, root, runCommand } from "./run-command.ts";

/** Five times what the slowest of the named tests needs on a busy machine. */
const LIMIT_MS = 100_000;

/** A test of the whole page waits for itself to fail, for each thing on it so long. */
const TEST_TIMEOUT_MS = { node: 20_000, browser: 20_000, e2e: 100_000 };
const impatient = { PIEZA_TEST_PATIENCE_MS: "20000" };

/**
 * What git would commit, copied, over the installed packages of the checkout. Each tree has a `node_modules` of its own,
 * made of links: Vite keeps there what it made of the packages, for one root, and of two trees that shared it one would
 * take it away under the other's browser.
 */
async function copyTree(): Promise<string> {
  const listed = await runCommand("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  if (!listed.ok) throw new Error(listed.output);
  const tree = await mkdtemp(join(tmpdir(), "pieza-sabotage-"));
  const paths = listed.output.split("\0").filter(Boolean);
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    await mkdir(join(tree, folder), { recursive: true });
  }
  for (const path of paths) {
    // A file that was deleted and not yet committed is still listed.
    await copyFile(join(root, path), join(tree, path)).catch(() => undefined);
  }
  await mkdir(join(tree, "node_modules"));
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name.startsWith(".vite")) continue;
    await symlink(join(root, "node_modules", name), join(tree, "node_modules", name));
  }
  return tree;
}

/** Why the sabotage went unnoticed, with the output of the test; undefined if the named test failed, as it should. */
async function attempt(tree: string, sabotage: Sabotage): Promise<string | undefined> {
  const file = join(tree, sabotage.file);
  const source = await readFile(file, "utf8");
  const places = source.split(sabotage.find).length - 1;
  if (places !== 1) return `${sabotage.file} has ${places} places that read: ${sabotage.find}`;
  await writeFile(
    file,
    source.replace(sabotage.find, () => sabotage.replace),
  );
  try {
    return await unnoticed(tree, sabotage);
  } finally {
    await writeFile(file, source);
  }
}

async function unnoticed(tree: string, sabotage: Sabotage): Promise<string | undefined> {
  const { test, name, project = "node" } = sabotage;

  const report = join(tree, "sabotage-report.json");
  await rm(report, { force: true });
  if (project === "e2e") {
    const built = await runCommand("vite", ["build", "web"], { cwd: tree, limitMs: LIMIT_MS });
    if (!built.ok) return `the page cannot be built\n${built.output}`;
  }
  const timeoutMs = TEST_TIMEOUT_MS[project];
  const args = ["run", "--project", project, test, "-t", escapeRegExp(name), `--test-timeout=${timeoutMs}`];
  const { output, late } = await runCommand(
    "vitest",
    [...args, "--reporter=json", `--outputFile.json=${report}`],
    { cwd: tree, limitMs: LIMIT_MS + 2 * timeoutMs, env: { ...process.env, ...impatient } },
  );
  // A test that never ends has not passed: the broken line turns in a circle.
  if (late) return undefined;
  const text = await readFile(report, "utf8").catch(() => undefined);
  if (text === undefined) return `no report of the test\n${output}`;
  const { numFailedTests, numPassedTests } = JSON.parse(text);
  if (numFailedTests > 0) return undefined;
  return numPassedTests > 0
    ? `${test} still passes: ${name}`
    : `${test} has no such test, or does not load\n${output}`;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Copies of the tree that are broken at the same time. One more than cores: some tests wait until their time is over. */
const TREES = 3;

/** Tries every sabotage whose description contains `words`, and prints a line for each. */
export async function runSabotages(words = ""): Promise<Outcome> {
  const chosen = sabotages.filter(({ what }) => what.includes(words));
  // The slow ones begin, and others run beside them.
  const waiting = chosen.toSorted((a, b) => Number(b.project === "e2e") - Number(a.project === "e2e"));
  const failures = new Map<string, string>();
  const work = async () => {
    const tree = await copyTree();
    for (let sabotage = waiting.shift(); sabotage; sabotage = waiting.shift()) {
      const started = performance.now();
      const problem = await attempt(tree, sabotage);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`${problem ? "FAILED" : "ok    "}  noticed: ${sabotage.what} (${seconds} s)`);
      if (!problem) continue;
      failures.set(`noticed: ${sabotage.what}`, firstLine(problem));
      console.log(problem);
    }
    await rm(tree, { recursive: true, force: true });
  };
  await Promise.all(Array.from({ length: Math.min(TREES, chosen.length) }, work));
  return outcomeOf(chosen.length - failures.size, failures);
}

if (isMain(import.meta.filename)) {
  const { failed } = await runSabotages(process.argv.slice(2).join(" "));
  process.exitCode = failed === 0 ? 0 : 1;
}
