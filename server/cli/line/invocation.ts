import { UsageError } from "./exit-code.ts";
import type { Given } from "./option-value.ts";
import { type Flags, type OptionName, type OptionSpec, options } from "./options.ts";
import type { Output } from "./output.ts";

/** One run of a verb: its arguments, its checked flags, and the output. */
export interface Invocation<Name extends OptionName> {
  readonly args: readonly string[];
  readonly flags: Flags<Name>;
  readonly out: Output;
  /** Aborted by the first SIGINT or SIGTERM, or when nobody takes the output any more; its reason is a CliError. */
  readonly signal: AbortSignal;
}

/** The flags of the command line, not checked. A flag without a value is "1". */
export type GivenFlags = ReadonlyMap<OptionName, string | readonly string[]>;

/** The long form of a flag, such as "--public-url". */
export function longFlag(name: OptionName): string {
  return /--[a-z-]+/.exec(options[name].flags)![0];
}

/** The forms of a flag that may be typed: "--out" and, if it has one, "-o". */
export function formsOf(name: OptionName): string[] {
  const short = /^-[a-zA-Z](?=,)/.exec(options[name].flags) ?? [];
  return [longFlag(name), ...short];
}

export function takesValue(name: OptionName): boolean {
  return options[name].flags.endsWith(">");
}

/** The environment variable of a flag, such as "PIEZA_PUBLIC_URL". */
export function environmentName(name: OptionName): string {
  return `PIEZA_${longFlag(name).slice(2).replaceAll("-", "_").toUpperCase()}`;
}

/**
 * The checked values of `names`: from the command line, else from the environment, else the defaults. Throws
 * UsageError that names the flag or the variable.
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

/** `from` is the flag or the variable, for the error. */
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
