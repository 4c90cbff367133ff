import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;
const PIECES = 200;

const program = new URL("./writing-child.ts", import.meta.url).pathname;

/** A process that fills a store, and what it says. */
function startWriter(target: string, length: number, sync: string): { child: ChildProcess; lines: string[] } {
  const child = spawn(process.execPath, [program, target, String(length), sync], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout! }).on("line", (line) => lines.push(line));
  return { child, lines };
}

const heldBy = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith("held")).map((line) => Number(line.slice(5)));

describe("a writer that is killed", () => {
  const here = storeFolder();

  it("leaves a lock that the next one takes over, and a live one is not disturbed", async () => {
    const made = await makeTorrent({ length: PIECES * PIECE });
    const target = join(here.path, "file.bin");
    const { child, lines } = startWriter(target, PIECES * PIECE, "batch");
    await expect.poll(() => heldBy(lines).length, { timeout: 20_000, interval: 1 }).toBeGreaterThanOrEqual(1);
    child.kill("SIGSTOP");
    await expect(here.open(made)).rejects.toMatchObject({
      code: "failed_precondition",
      message: `file.bin is in use by the process ${child.pid}`,
    });
    child.kill("SIGKILL");
    await once(child, "close");
    const store = await here.open(made);
    expect(store.held.count).toBeGreaterThanOrEqual(heldBy(lines).length);
  });
});
