import { completionScript, type Shell, shells } from "../line/completions.ts";
import { UsageError } from "../line/exit-code.ts";
import type { VerbInvocation } from "../line/verb-options.ts";
import type { VerbSpec } from "../line/verb-spec.ts";

/** Returns the verb's code. `verbs` is a function because the list of verbs contains this one. */
export function completionsOf(verbs: () => readonly VerbSpec[]) {
  return async ({ args, out }: VerbInvocation<"completions">): Promise<void> => {
    const shell = shells.find((known): known is Shell => known === args[0]);
    if (!shell) throw new UsageError(`no completions for ${args[0]}, only for ${shells.join(", ")}`);
    const script = completionScript(shell, verbs());
    out.result("completions", { shell, script }, ...script.trimEnd().split("\n"));
  };
}
