import { PassThrough } from "node:stream";
import { parseCommandLine } from "../../../server/cli/line/command-line.ts";
import { readFlags } from "../../../server/cli/line/invocation.ts";
import { Output } from "../../../server/cli/line/output.ts";
import { optionsOf } from "../../../server/cli/line/verb-spec.ts";
import { verbs } from "../../../server/cli/verbs.ts";

/**
 * Runs a verb that ends by itself in the test's own process: for what has to be there before a test begins, without the
 * start of one more Node. Fails with what the verb fails with.
 */
export async function runVerbHere(words: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const command = parseCommandLine(words, verbs);
  if (command.kind !== "run") throw new Error(`no verb: ${words.join(" ")}`);
  const nobody = new PassThrough().resume();
  const out = new Output({ json: false, quiet: true, verbose: false, stdout: nobody, stderr: nobody });
  const flags = readFlags(optionsOf(command.spec), command.given, env);
  await command.spec.run({ args: command.args, flags, out, signal: new AbortController().signal });
}
