import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { LocalSwarm, writeRandomFile } from "../../../support/swarms/local-swarm.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const entry = fileURLToPath(new URL("../../../../server/cli/pieza.js", import.meta.url));
const MIB = 1 << 20;

let swarm: LocalSwarm;
let folders = 0;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  await writeRandomFile(swarm.path("big.bin"), 40 * MIB);
  await swarm.publish("big.bin");
  await swarm.peer("seeder", "big.bin");
});
afterAll(() => swarm.stop());

/** Runs a command line of bash, in which "pieza" is the program. Returns the code of its first program, too. */
async function bash(line: string) {
  const cwd = swarm.path(`work-${++folders}`);
  await mkdir(cwd);
  const script = `pieza() { "${process.execPath}" "${entry}" "$@"; }; ${line}; echo "code \${PIPESTATUS[0]}" > code`;
  const env = { ...process.env, PIEZA_CATALOG: swarm.catalogUrl, PIEZA_DATA: `${cwd}-data` };
  const child = spawn("bash", ["-c", script], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  await new Promise((resolve) => child.once("close", resolve));
  const code = Number((await readFile(join(cwd, "code"), "utf8")).slice("code ".length));
  return { cwd, stdout, stderr, code };
}

describe("an output that is full", () => {
  it.each([
    ["the file of get", "pieza get big.bin -o - -q > /dev/full", 1],
    ["the events of get", "pieza get big.bin --json > /dev/full", 1],
    ["the last line of get", "pieza get big.bin --no-progress > /dev/full", 1],
    ["a list", "pieza ls > /dev/full", 1],
    ["an error event", "pieza get --bogus --json > /dev/full", 1],
    ["help", "pieza --help > /dev/full", 1],
    ["the version", "pieza --version > /dev/full", 1],
    ["a server's log", "pieza tracker --port 0 --json > /dev/full", 1],
    ["the messages of get", "pieza get big.bin -v 2> /dev/full", 0],
  ])("ends with 6, in words: %s", async (_what, line, lines) => {
    const { code, stderr } = await bash(line);
    expect(stderr.split("\n").filter(Boolean)).toHaveLength(lines);
    if (lines > 0) expect(stderr).toBe("pieza: writing to standard output failed: no space left on device\n");
    expect(code).toBe(6);
  });
});

describe("a reader that leaves", () => {
  it("ends a download to it with 141, and says nothing", async () => {
    const { cwd, stdout, stderr, code } = await bash("pieza get big.bin -o - -q | head -c 5 | wc -c");
    expect({ stdout: stdout.trim(), stderr, code }).toEqual({ stdout: "5", stderr: "", code: 141 });
    expect(readdirSync(cwd)).toEqual(["code"]);
  });

  it("ends a download that prints to it with 141 and keeps the pieces", async () => {
    const { cwd, stderr, code } = await bash(
      "pieza get big.bin --json --limit-download 4MiB | head -n 1 | wc -l",
    );
    expect({ stderr, code }).toEqual({ stderr: "", code: 141 });
    expect(readdirSync(cwd).filter((name) => /\.(part|journal)$/.test(name))).toHaveLength(2);
    expect(readdirSync(cwd).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  it("ends a server with 141", async () => {
    expect(await bash("pieza tracker --port 0 --json | true")).toMatchObject({ code: 141, stderr: "" });
  });

  it("does not matter to a verb that is done by then", async () => {
    expect(await bash("pieza info big.bin | head -c 1")).toMatchObject({ code: 0, stderr: "" });
  });
});
