import { getSystemErrorMessage } from "node:util";
import { CliError, exitCodeOf, Interrupted } from "./exit-code.ts";

/**
 * Calls `onLost` once, when standard output or standard error takes no more: with an Interrupted if the reader of a
 * pipe has left, as in `pieza ls | head`, else with a CliError in words. What is written later is lost.
 */
export function watchOutput(onLost: (error: CliError) => void): void {
  let isLost = false;
  const watched = { "standard output": process.stdout, "standard error": process.stderr };
  for (const [name, stream] of Object.entries(watched)) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (isLost) return;
      isLost = true;
      onLost(error.code === "EPIPE" ? new Interrupted("SIGPIPE") : failed(name, error));
    });
  }
}

function failed(name: string, cause: NodeJS.ErrnoException): CliError {
  const problem = cause.errno === undefined ? cause.message : getSystemErrorMessage(cause.errno);
  return new CliError(exitCodeOf(cause), `writing to ${name} failed: ${problem}`, { cause });
}
