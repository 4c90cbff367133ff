import { type Command, Option } from "commander";
import { z } from "zod";
import { UsageError } from "./exit-code.ts";
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

/** Adds one flag of the table to a command, under `heading` in its help. */
export function addOption(command: Command, name: OptionName, heading: string): void {
  const spec: OptionSpec = options[name];
  const option = new Option(spec.flags, spec.help).helpGroup(heading);
  if (spec.repeatable) option.argParser((value: string, before?: string[]) => [...(before ?? []), value]);
  command.addOption(option);
}

/** The long form of a flag: "--public-url". */
export function longFlag(name: OptionName): string {
  return /--[a-z-]+/.exec(options[name].flags)![0];
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
  command: Command,
  environment: NodeJS.ProcessEnv,
): Flags<Name> {
  const given = new Map(
    names.map((name) => [name, fromCommandLine(command, name) ?? fromEnvironment(name, environment)]),
  );
  const schema = z.object(Object.fromEntries(names.map((name) => [name, options[name].schema])));
  const result = schema.safeParse(
    Object.fromEntries([...given].map(([name, source]) => [name, source?.value])),
  );
  if (result.success) return result.data as Flags<Name>;
  const { path, message } = result.error.issues[0]!;
  throw new UsageError(`${given.get(path[0] as Name)?.from ?? longFlag(path[0] as Name)}: ${message}`);
}

interface Given {
  /** The flag or the variable, for messages. */
  readonly from: string;
  readonly value: string | string[];
}

function fromCommandLine(command: Command, name: OptionName): Given | undefined {
  const option = command.options.find((candidate) => candidate.long === longFlag(name))!;
  const attribute = option.attributeName();
  if (command.getOptionValueSource(attribute) !== "cli") return undefined;
  const value: unknown = command.getOptionValue(attribute);
  // A flag without a value is true, or false when its name begins with --no-; the schemas read text.
  return { from: longFlag(name), value: typeof value === "boolean" ? "1" : (value as string | string[]) };
}

function fromEnvironment(name: OptionName, environment: NodeJS.ProcessEnv): Given | undefined {
  const from = environmentName(name);
  const value = environment[from];
  if (value === undefined || value === "") return undefined;
  const spec: OptionSpec = options[name];
  return { from, value: spec.repeatable ? value.split(/[\s,]+/).filter(Boolean) : value };
}
