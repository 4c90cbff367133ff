import { nearest } from "./did-you-mean.ts";
import { UsageError } from "./exit-code.ts";
import { formsOf, type GivenFlags, longFlag, takesValue } from "./invocation.ts";
import { type OptionName, type OptionSpec, options } from "./options.ts";
import { optionsOf, type VerbSpec } from "./verb-spec.ts";

/** The request of a command line. */
export type Command =
  | {
      readonly kind: "run";
      readonly spec: VerbSpec;
      readonly args: readonly string[];
      readonly given: GivenFlags;
    }
  /** Help for one verb, or for the program. `json`: as an event. */
  | { readonly kind: "help"; readonly spec?: VerbSpec; readonly json: boolean }
  | { readonly kind: "version"; readonly json: boolean }
  /** The command line was empty. */
  | { readonly kind: "nothing" };

/** Reads the words after the program's name; does not check the values of flags. Throws UsageError. */
export function parseCommandLine(words: readonly string[], verbs: readonly VerbSpec[]): Command {
  const json = words.includes("--json");
  const [name, ...rest] = words[0] === "--json" ? afterVerb(words) : words;
  if (name === undefined) return { kind: "nothing" };
  if (name === "-h" || name === "--help") return { kind: "help", json };
  if (name === "-V" || name === "--version") return { kind: "version", json };
  if (name === "help")
    return helpOn(
      rest.find((word) => !word.startsWith("-")),
      json,
      verbs,
    );
  const spec = verbs.find((verb) => verb.name === name);
  if (!spec) {
    if (name.startsWith("-")) throw unknown("option", name, ["--help", "--version"]);
    throw unknownVerb(name, verbs);
  }
  const parsed = parseWords(rest, optionsOf(spec));
  if (parsed === "help") return { kind: "help", spec, json };
  checkArgs(spec, parsed.args);
  return { kind: "run", spec, ...parsed };
}

/** The words of "pieza --json ls" as if they were "pieza ls --json". */
function afterVerb([json = "", verb, ...rest]: readonly string[]): readonly string[] {
  return verb === undefined ? [] : [verb, json, ...rest];
}

/** `pieza help get` is `pieza get --help`. */
function helpOn(name: string | undefined, json: boolean, verbs: readonly VerbSpec[]): Command {
  if (name === undefined) return { kind: "help", json };
  const spec = verbs.find((verb) => verb.name === name);
  if (!spec) throw unknownVerb(name, verbs);
  return { kind: "help", spec, json };
}

function unknownVerb(name: string, verbs: readonly VerbSpec[]): UsageError {
  return unknown(
    "verb",
    name,
    verbs.map((verb) => verb.name),
  );
}

/** Separates flags and arguments, which come in any order; every word after `--` is an argument. */
export function parseWords(words: readonly string[], names: readonly OptionName[]) {
  const byFlag = new Map(names.flatMap((name) => formsOf(name).map((flag) => [flag, name] as const)));
  const args: string[] = [];
  const given = new Map<OptionName, string | string[]>();
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      args.push(...rest.splice(0));
    } else if (!word.startsWith("-") || word === "-") {
      args.push(word);
    } else if (word === "--help" || word === "-h") {
      return "help";
    } else {
      const { flag, value } = splitFlag(word, rest, byFlag);
      const name = byFlag.get(flag);
      if (!name) throw unknown("option", flag, [...byFlag.keys()]);
      give(given, name, takeValue(name, value, rest));
    }
  }
  return { args, given };
}

/** Splits "--out=x" and "-ox" into flag and value. Of "-qv" it takes "-q" and puts "-v" back into `rest`. */
function splitFlag(word: string, rest: string[], byFlag: ReadonlyMap<string, OptionName>) {
  if (word.startsWith("--")) {
    const equals = word.indexOf("=");
    return equals < 0 ? { flag: word } : { flag: word.slice(0, equals), value: word.slice(equals + 1) };
  }
  const flag = word.slice(0, 2);
  const more = word.slice(2);
  const name = byFlag.get(flag);
  if (more === "" || !name) return { flag: name ? flag : word };
  if (takesValue(name)) return { flag, value: more };
  rest.unshift(`-${more}`);
  return { flag };
}

/** The value of a flag: the one after "=", else the next word, even if that looks like a flag. */
function takeValue(name: OptionName, value: string | undefined, rest: string[]): string {
  if (!takesValue(name)) {
    if (value !== undefined) throw new UsageError(`${longFlag(name)} takes no value; see pieza --help`);
    return "1";
  }
  const given = value ?? rest.shift();
  if (given === undefined) throw new UsageError(`${options[name].flags} needs a value; see pieza --help`);
  return given;
}

function give(given: Map<OptionName, string | string[]>, name: OptionName, value: string): void {
  const { repeatable }: OptionSpec = options[name];
  const before = given.get(name);
  given.set(name, repeatable ? [...(Array.isArray(before) ? before : []), value] : value);
}

function checkArgs({ name, args }: VerbSpec, given: readonly string[]): void {
  const wanted = args.split(" ").filter(Boolean);
  const missing = wanted.find((word, at) => word.startsWith("<") && given.length <= at);
  if (missing) throw new UsageError(`${name} needs a ${missing}; see pieza ${name} --help`);
  if (given.length > wanted.length && !args.includes("...")) {
    const extra = given.slice(wanted.length).join(" ");
    throw new UsageError(`too many arguments for ${name}: ${extra}; see pieza ${name} --help`);
  }
}

function unknown(kind: string, word: string, known: readonly string[]): UsageError {
  const near = nearest(word, known);
  const hint = near ? `did you mean ${near}?` : "see pieza --help";
  return new UsageError(`there is no ${kind} ${word}; ${hint}`);
}
