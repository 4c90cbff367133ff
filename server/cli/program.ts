import { readFileSync } from "node:fs";
import { Command } from "commander";
import { addOption } from "./invocation.ts";
import { commonOptions, type OptionName, serverOptions } from "./options.ts";
import type { VerbSpec } from "./verb-spec.ts";
import { verbs } from "./verbs.ts";

/** What is called with the verb that the person chose, its parsed flags and its arguments. */
export type RunVerb = (spec: VerbSpec, command: Command, args: readonly string[]) => Promise<void>;

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong usage or bad input file, 3 no such torrent, 4 no peer had the missing pieces,
  5 verification failed, 6 no space or disk error, 7 tracker or catalog out of reach, 8 refused (token), 130 interrupted.
Every flag has an environment variable: --public-url is PIEZA_PUBLIC_URL.`;

/** The command line as commander sees it. It throws CommanderError instead of ending the process, and prints no error. */
export function makeProgram(run: RunVerb): Command {
  const program = new Command("pieza")
    .description("BitTorrent over plain HTTP: share, serve and download files.")
    .usage("<verb> [options]")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help; after a verb, its own")
    .helpCommand(false)
    .exitOverride()
    .configureHelp({
      showGlobalOptions: false,
      subcommandTerm: (verb) => `${verb.name()} ${argumentsOf(verb)}`,
    })
    .configureOutput({ outputError: () => {} })
    .commandsGroup("Verbs:")
    .addHelpText("after", EXIT_CODES);
  for (const spec of verbs) addVerb(program, spec, run);
  return program;
}

function addVerb(program: Command, spec: VerbSpec, run: RunVerb): void {
  const command = program
    .command(`${spec.name} ${spec.args}`.trim())
    .summary(spec.summary)
    .description(`${spec.summary[0]!.toUpperCase()}${spec.summary.slice(1)}.`)
    .usage(`[options] ${spec.args}`.trim())
    .helpOption("-h, --help", "print this")
    .action(async () => run(spec, command, command.args));
  const isServer = (name: OptionName) => spec.serves && (serverOptions as readonly string[]).includes(name);
  for (const name of spec.options) addOption(command, name, isServer(name) ? "Serving:" : "Options:");
  for (const name of commonOptions) addOption(command, name, "Everywhere:");
  const examples = spec.examples.map((line) => `  ${line}`).join("\n");
  if (examples) command.addHelpText("after", `\nExamples:\n${examples}`);
}

function argumentsOf(command: Command): string {
  return command.registeredArguments
    .map((argument) => {
      const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
      return argument.required ? `<${name}>` : `[${name}]`;
    })
    .join(" ");
}

function packageVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
