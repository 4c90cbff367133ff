import { createInterface } from "node:readline/promises";
import { UsageError } from "./exit-code.ts";

/** Asks which torrent to download. Fails with UsageError when nobody answers. */
export async function askForName(output: NodeJS.WritableStream, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output });
  const noAnswer = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
  // On a terminal, readline takes Ctrl-C for itself.
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
