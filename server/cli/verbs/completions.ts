import { completionScript, type Shell, shells } from "../line/completions.ts";
import { UsageError } from "../line/exit-code.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption } from "../line/options.ts";
import type { VerbSpec } from "../line/verb-spec.ts";

/** The verb, which has to be told of all verbs, itself among them. */
export function completionsOf(verbs: () => readonly VerbSpec[]) {
  return {
    async run({ args, out }: Invocation<CommonOption>): Promise<void> {
      const shell = shells.find((known): known is Shell => known === args[0]);
      if (!shell) throw new UsageError(`no completions for ${args[0]}, only for ${shells.join(", ")}`);
      const script = completionScript(shell, verbs());
      out.result("completions", { shell, script }, ...script.trimEnd().split("\n"));
    },
  };
}
