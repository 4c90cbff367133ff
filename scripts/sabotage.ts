/**
 * Tests the tests: breaks one line in a copy of the tree and expects the named test to fail. Part of `npm test`.
 * `node scripts/sabotage.ts [words]` tries only the sabotages whose description contains the words.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Sabotage } from "../test/sabotage/sabotage.ts";
import { sabotages } from "../test/sabotage/sabotages.ts";
import { firstLine, type Outcome, outcomeOf } from "./outcome.ts";
import { isMain, root, runCommand } from "./run-command.ts";

/** Five times the longest duration of a named test on a busy machine. */
const LIMIT_MS = 100_000;

/** The limit for each test. A test of the page fails only after a long wait for each missing element. */
const TEST_TIMEOUT_MS = { node: 20_000, browser: 20_000, e2e: 100_000 };
const impatient = { PIEZA_TEST_PATIENCE_MS: "20000" };

/**
 * Copies the files that git would commit. Each tree has its own `node_modules` with links to the installed packages,
 * because Vite keeps a cache there for one root; if two trees shared it, one would delete files that the other's
 * browser is loading.
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
    // git still lists a deleted file until the deletion is committed.
    await copyFile(join(root, path), join(tree, path)).catch(() => undefined);
  }
  await mkdir(join(tree, "node_modules"));
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name.startsWith(".vite")) continue;
    await symlink(join(root, "node_modules", name), join(tree, "node_modules", name));
  }
  return tree;
}

/** Returns why the sabotage went unnoticed, with the test's output; undefined if the test failed as expected. */
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
  // A test that does not end has noticed the sabotage too, such as one that made an endless loop.
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

/** Trees that are tested at the same time: one more than cores, because some tests wait for a timeout. */
const TREES = 3;

/** Tries every sabotage whose description contains `words`, and prints a line for each. */
export async function runSabotages(words = ""): Promise<Outcome> {
  const chosen = sabotages.filter(({ what }) => what.includes(words));
  // The slow ones start first, so that none of them runs alone at the end.
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
