import type { Invocation } from "./invocation.ts";
import { commonOptions, type OptionName } from "./options.ts";

/** The description of a verb. Its code is loaded when it runs. */
export interface VerbSpec {
  readonly name: string;
  /** "<torrent>" is required, "[search]" is optional, "<path...>" may be several. */
  readonly args: string;
  readonly summary: string;
  /** Its own flags; every verb also takes the common ones. */
  readonly options: readonly OptionName[];
  /** Help lists the flags of servers under their own heading. */
  readonly serves: boolean;
  /** Command lines that help prints below the flags. */
  readonly examples: readonly string[];
  run(invocation: Invocation<OptionName>): Promise<void>;
}

/** The flags of a verb, common ones included. */
export function optionsOf(spec: VerbSpec): readonly OptionName[] {
  return [...spec.options, ...commonOptions];
}
