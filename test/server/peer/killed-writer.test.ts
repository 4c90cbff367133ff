import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import { makeTorrent } from "../../support/made-torrent.ts";
import { storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;
const PIECES = 200;
const KILLS = 10;

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
const heldBefore = (lines: readonly string[]) =>
  (lines.find((line) => line.startsWith("start ")) ?? "start ")
    .slice(6)
    .split(",")
    .filter(Boolean)
    .map(Number);

describe("a writer that is killed", () => {
  const here = storeFolder();

  for (const sync of ["batch", "none"]) {
    it(`${KILLS} times (sync ${sync}) loses no piece that it had said it holds, and ends with the right file`, async () => {
      const length = PIECES * PIECE - 7;
      const made = await makeTorrent({ length });
      const target = join(here.path, "file.bin");
      const promised = new Set<number>();
      for (let kill = 0; kill < KILLS; kill++) {
        const { child, lines } = startWriter(target, length, sync);
        const enough = 1 + ((kill * 7) % 12);
        await expect
          .poll(() => heldBy(lines).length, { timeout: 20_000, interval: 1 })
          .toBeGreaterThanOrEqual(enough);
        child.kill("SIGKILL");
        await once(child, "close");
        for (const index of promised) expect(heldBefore(lines)).toContain(index);
        for (const index of heldBy(lines)) promised.add(index);
        expect(existsSync(target)).toBe(lines.includes("done"));
        if (existsSync(target)) break;
      }
      const { child, lines } = startWriter(target, length, sync);
      expect(await once(child, "close")).toEqual([0, null]);
      for (const index of promised) expect(heldBefore(lines)).toContain(index);
      expect(Buffer.compare(await readFile(target), made.whole)).toBe(0);
      expect(here.names()).toEqual(["file.bin"]);
    }, 120_000);
  }

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
