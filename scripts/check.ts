/** Everything that can be said of the code without running it. `npm run check`; part of `npm test`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { firstLine, type Outcome, outcomeOf } from "./outcome.ts";
import { type CommandResult, isMain, root, runCommand } from "./run-command.ts";

interface Check {
  readonly name: string;
  run(): Promise<CommandResult>;
}

const tool = (name: string, command: string, ...args: string[]): Check => ({
  name,
  run: () => runCommand(command, args),
});

const checks: readonly Check[] = [
  tool("format and lint", "biome", "check", "--error-on-warnings", "--colors=off", "."),
  tool("types of core", "tsc", "-p", "core"),
  tool("types of server", "tsc", "-p", "server"),
  tool("types of test and scripts", "tsc", "-p", "test"),
  tool("types of the page", "svelte-check", "--workspace", "web", "--fail-on-warnings", "--output", "human"),
  tool("who imports whom", "vitest", "run", "--project", "node", "test/layers.test.ts"),
  tool("proto lint", "buf", "lint"),
  tool("proto format", "buf", "format", "--diff", "--exit-code"),
  { name: "gen/ is what proto/ gives", run: genIsFresh },
];

/** Generates into a folder of its own and compares. */
async function genIsFresh(): Promise<CommandResult> {
  const fresh = await mkdtemp(join(tmpdir(), "pieza-gen-"));
  try {
    const generated = await runCommand("buf", ["generate", "-o", fresh]);
    if (!generated.ok) return generated;
    const compared = await runCommand("diff", ["-ru", "gen", join(fresh, "gen")]);
    const hint = compared.ok ? "" : "Run `npm run generate` and commit gen/.\n";
    return { ...compared, output: compared.output + hint, seconds: generated.seconds + compared.seconds };
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** At the same time: each has one core busy. */
const LANES = 2;

/** Runs every check, also after one has failed, and prints a line for each, with the output of those that failed. */
export async function runChecks(): Promise<Outcome> {
  const failures = new Map<string, string>();
  const waiting = [...checks];
  const work = async () => {
    for (let check = waiting.shift(); check; check = waiting.shift()) {
      const { ok, output, seconds } = await check.run();
      console.log(`${ok ? "ok    " : "FAILED"}  ${check.name} (${seconds.toFixed(1)} s)`);
      if (ok) continue;
      const said = output.trimEnd().replaceAll(root, "");
      failures.set(check.name, firstLine(said.trimStart()));
      console.log(said);
    }
  };
  await Promise.all(Array.from({ length: LANES }, work));
  return outcomeOf(checks.length - failures.size, failures);
}

if (isMain(import.meta.filename)) {
  const { failed } = await runChecks();
  process.exitCode = failed === 0 ? 0 : 1;
}
