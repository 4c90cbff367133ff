import { createInterface } from "node:readline/promises";
import { UsageError } from "./exit-code.ts";

/** Asks the user for the name of a torrent. Fails with UsageError if the answer is empty. */
export async function askForName(output: NodeJS.WritableStream, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output });
  const noAnswer = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
  // readline catches Ctrl-C on a terminal, so the signal is sent again.
  lines.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    const answer = (await Promise.race([lines.question("Download File: ", { signal }), noAnswer])).trim();
    signal.throwIfAborted();
    if (answer === "") throw new UsageError("no name was given");
    return answer;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    lines.close();
  }
}
