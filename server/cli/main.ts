import "../http/guard-http2.ts";
import { type Command, CommanderError } from "commander";
import { ExitCode, exitCodeOf, Interrupted, UsageError } from "./exit-code.ts";
import { readFlags } from "./invocation.ts";
import { Output } from "./output.ts";
import { makeProgram } from "./program.ts";
import { optionsOf, type VerbSpec } from "./verb-spec.ts";

/** Aborted by the first signal; the second ends the process where it stands. */
function untilSignalled(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(new Interrupted(name).exitCode);
      controller.abort(new Interrupted(name));
    });
  }
  return controller.signal;
}

function makeOutput(flags: { json: boolean; quiet?: boolean; verbose?: boolean }): Output {
  const { stdout, stderr } = process;
  return new Output({ quiet: false, verbose: false, ...flags, stdout, stderr });
}

/** For what goes wrong before the flags are known. */
function earlyOutput(): Output {
  return makeOutput({ json: process.argv.includes("--json") || process.env.PIEZA_JSON === "1" });
}

async function runVerb(spec: VerbSpec, command: Command, args: readonly string[]): Promise<void> {
  const flags = readFlags(optionsOf(spec), command, process.env);
  const out = makeOutput(flags);
  try {
    await spec.run({ args, flags, out, signal: untilSignalled() });
  } catch (error) {
    end(error, out);
  }
}

function end(error: unknown, out: Output): void {
  process.exitCode = exitCodeOf(error);
  if (process.exitCode !== 0) out.error(error);
}

/** Commander's errors are wrong usage; help and version are none. */
function endEarly(error: unknown): void {
  if (!(error instanceof CommanderError)) {
    end(error, earlyOutput());
  } else if (error.code === "commander.help") {
    // No verb: help has been printed to standard error.
    process.exitCode = ExitCode.USAGE;
  } else if (error.exitCode !== 0) {
    end(new UsageError(`${error.message.replace(/^error: /, "")}; see pieza --help`), earlyOutput());
  }
}

// Whoever reads our output may stop reading: `pieza ls | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  throw error;
});

// A peer that `pieza up` started ends with it, whatever ended that: the channel between them closes then. Listening to
// that alone does not keep the process alive.
if (process.connected) {
  process.once("disconnect", () => process.exit(ExitCode.INTERRUPTED));
  process.channel?.unref();
}

await makeProgram(runVerb).parseAsync().catch(endEarly);
