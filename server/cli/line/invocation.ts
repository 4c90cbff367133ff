import { UsageError } from "./exit-code.ts";
import type { Given } from "./option-value.ts";
import { type Flags, type OptionName, type OptionSpec, options } from "./options.ts";
import type { Output } from "./output.ts";

/** One run of a verb: what the person asked for, checked, and where the answer goes. */
export interface Invocation<Name extends OptionName> {
  readonly args: readonly string[];
  readonly flags: Flags<Name>;
  readonly out: Output;
  /** Aborted by the first SIGINT or SIGTERM; its reason is an Interrupted. */
  readonly signal: AbortSignal;
}

/** What the command line says, not checked. A flag that takes no value is "1". */
export type GivenFlags = ReadonlyMap<OptionName, string | readonly string[]>;

/** The long form of a flag: "--public-url". */
export function longFlag(name: OptionName): string {
  return /--[a-z-]+/.exec(options[name].flags)![0];
}

/** The short form, if it has one: "-o". */
export function shortFlag(name: OptionName): string | undefined {
  return /^-[a-zA-Z](?=,)/.exec(options[name].flags)?.[0];
}

export function takesValue(name: OptionName): boolean {
  return options[name].flags.endsWith(">");
}

/** Its environment variable: "PIEZA_PUBLIC_URL". */
export function environmentName(name: OptionName): string {
  return `PIEZA_${longFlag(name).slice(2).replaceAll("-", "_").toUpperCase()}`;
}

/**
 * The values of `names`: from the command line, else from the environment, else the defaults; all of them checked.
 * Throws UsageError that names the flag or the variable.
 */
export function readFlags<Name extends OptionName>(
  names: readonly Name[],
  given: GivenFlags,
  environment: NodeJS.ProcessEnv,
): Flags<Name> {
  const values = names.map((name) => {
    const onCommandLine = given.get(name);
    if (onCommandLine !== undefined) return [name, read(name, longFlag(name), onCommandLine)];
    return [name, read(name, environmentName(name), fromEnvironment(name, environment))];
  });
  return Object.fromEntries(values) as Flags<Name>;
}

/** `from`: the flag or the variable, for messages. */
function read(name: OptionName, from: string, given: Given): unknown {
  const { value }: OptionSpec = options[name];
  try {
    return value.read(given);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UsageError(`${from}: ${cause.message}`, { cause });
  }
}

function fromEnvironment(name: OptionName, environment: NodeJS.ProcessEnv): Given {
  const value = environment[environmentName(name)];
  if (value === undefined || value === "") return undefined;
  const { repeatable }: OptionSpec = options[name];
  return repeatable ? value.split(/[\s,]+/).filter(Boolean) : value;
}
