import { spawn } from "node:child_process";

/** Text that clears a screen, sets its title and colours, rings, turns directions and ends lines, if it is let. */
export const HOSTILE =
  "http://a\u001b[2J\u001b[39m\u001b]0;title\u0007\u009b31m\u0090q\u009c\u0000\u007f\b\u202e\u2066\u200b\ufeff\r\n:1";

/** What a program prints to a terminal of 100 columns. Line ends are \n. Ends it after `timeoutMs`. */
export function printedInTerminal(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<string> {
  const size = 'stty cols 100 rows 40; exec "$@"';
  const inTerminal = "import pty, sys; pty.spawn(sys.argv[1:])";
  const child = spawn("python3", ["-c", inTerminal, "sh", "-c", size, "sh", ...args], {
    cwd: options.cwd,
    env: { ...process.env, TERM: "xterm-256color", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: options.timeoutMs ?? 30_000,
    killSignal: "SIGKILL",
  });
  const parts: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => parts.push(part));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve(Buffer.concat(parts).toString("utf8").replaceAll("\r\n", "\n")));
  });
}

/** The text without the colours and erasures that our own pictures are made of. Another escape shows as ␛. */
export function withoutPictures(text: string): string {
  return text
    .replaceAll("\u001b", "␛")
    .replaceAll(/␛\[38;5;\d+m([^␛]*)␛\[39m/g, "$1")
    .replaceAll(/␛\[\d+A␛\[0J/g, "");
}
