import type { Invocation } from "./invocation.ts";
import { commonOptions, type OptionName } from "./options.ts";

/** A verb as the program's table has it; its code is loaded when it runs. */
export interface VerbSpec {
  readonly name: string;
  /** "<torrent>" has to be there, "[search]" may be, "<path...>" is a list. */
  readonly args: string;
  readonly summary: string;
  /** Its own flags, for help and for the schema; every verb has the common ones too. */
  readonly options: readonly OptionName[];
  /** The servers' flags, under a heading of their own. */
  readonly serves: boolean;
  /** Printed below the flags. */
  readonly examples: readonly string[];
  run(invocation: Invocation<OptionName>): Promise<void>;
}

/** The flags of a verb, common ones included. */
export function optionsOf(spec: VerbSpec): readonly OptionName[] {
  return [...spec.options, ...commonOptions];
}
