import { packageVersion } from "../base/own-package.ts";
import { adviceOn } from "./line/advice.ts";
import { type Command, parseCommandLine } from "./line/command-line.ts";
import { type CliError, ExitCode, exitCodeOf, Interrupted } from "./line/exit-code.ts";
import { readFlags } from "./line/invocation.ts";
import { watchOutput } from "./line/lost-output.ts";
import { Output, type OutputOptions } from "./line/output.ts";
import { optionsOf } from "./line/verb-spec.ts";
import { verbs } from "./verbs.ts";

/** The width of help if that of the terminal is unknown. */
const DEFAULT_COLUMNS = 80;

/** Time in which a verb that has failed lets go of its connections and timers. After that the process ends anyway. */
const LAST_WORDS_MS = 3_000;

/** Returns a signal that the first SIGINT, SIGTERM or SIGHUP aborts. The second one ends the process at once. */
function untilSignalled(): AbortSignal {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (ending.signal.aborted) process.exit(new Interrupted(name).exitCode);
      ending.abort(new Interrupted(name));
    });
  }
  return ending.signal;
}

/** Aborted by the first signal, or when the output takes no more. */
const ending = new AbortController();
/** Set once standard output or standard error takes no more: the reason of whatever fails after that. */
let lost: CliError | undefined;

/** Ends the run. A reader that has left wants no message. */
function onLost(error: CliError): void {
  lost = error;
  if (!(error instanceof Interrupted)) {
    process.exitCode = error.exitCode;
    makeOutput({ json: false }).error(error);
  }
  ending.abort(error);
}

function makeOutput(
  flags: Pick<OutputOptions, "json"> & Partial<Pick<OutputOptions, "quiet" | "verbose" | "adviceOn">>,
): Output {
  const { stdout, stderr } = process;
  return new Output({ quiet: false, verbose: false, ...flags, stdout, stderr });
}

async function runVerb({ spec, args, given }: Command & { kind: "run" }): Promise<void> {
  const flags = readFlags(optionsOf(spec), given, process.env);
  const out = makeOutput({ ...flags, adviceOn: (error) => adviceOn(error, spec.options) });
  try {
    await spec.run({ args, flags, out, signal: untilSignalled() });
  } catch (error) {
    end(error, out);
    setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
  }
}

async function run(command: Command): Promise<void> {
  if (command.kind === "run") return runVerb(command);
  if (command.kind === "version") {
    const version = packageVersion();
    makeOutput(command).result("version", { version }, version);
    return;
  }
  const { programHelp, verbHelp } = await import("./line/help.ts");
  // An empty command line is wrong usage, but it prints help too.
  const asked = command.kind === "help";
  const stream = asked ? process.stdout : process.stderr;
  // A terminal that does not know its width says 0.
  const columns = stream.columns || DEFAULT_COLUMNS;
  const text = asked && command.spec ? verbHelp(command.spec, columns) : programHelp(verbs, columns);
  if (asked && command.json) makeOutput(command).event("help", { text });
  else stream.write(text);
  if (!asked) process.exitCode = ExitCode.USAGE;
}

function end(error: unknown, out: Output): void {
  process.exitCode = exitCodeOf(lost ?? error);
  if (process.exitCode !== 0 && !lost) out.error(error);
}

watchOutput(onLost);

// A peer that `pieza up` started ends when `up` does, because the channel between them closes. The listener alone
// does not keep the process alive.
if (process.connected) {
  process.once("disconnect", () => process.exit(ExitCode.INTERRUPTED));
  process.channel?.unref();
}

try {
  await run(parseCommandLine(process.argv.slice(2), verbs));
} catch (error) {
  // The flags have not been read.
  end(error, makeOutput({ json: process.argv.includes("--json") || process.env.PIEZA_JSON === "1" }));
}
