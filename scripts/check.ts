/** `npm run check`: format, lint, types, protos and generated code. Part of `npm test`. */
import { join } from "node:path";
import { firstLine, type Outcome, outcomeOf } from "./outcome.ts";
import { type CommandResult, inTemporaryFolder, isMain, root, runCommand } from "./run-command.ts";

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
  tool("imports between rooms", "vitest", "run", "--project", "node", "test/layers.test.ts"),
  tool("proto lint", "buf", "lint"),
  tool("proto format", "buf", "format", "--diff", "--exit-code"),
  { name: "gen/ is up to date with proto/", run: genIsFresh },
];

/** Generates the code into a temporary folder and compares it with gen/. */
function genIsFresh(): Promise<CommandResult> {
  return inTemporaryFolder("pieza-gen-", async (folder) => {
    const generated = await runCommand("buf", ["generate", "-o", folder]);
    if (!generated.ok) return generated;
    const compared = await runCommand("diff", ["-ru", "gen", join(folder, "gen")]);
    const hint = compared.ok ? "" : "Run `npm run generate` and commit gen/.\n";
    return { ...compared, output: compared.output + hint, seconds: generated.seconds + compared.seconds };
  });
}

/** Checks that run at the same time. Each keeps one core busy. */
const LANES = 2;

/** Runs every check, also after one has failed, and prints a line for each and the output of failed ones. */
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
