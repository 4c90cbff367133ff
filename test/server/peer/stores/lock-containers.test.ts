import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { takeLock } from "../../../../server/peer/stores/lock.ts";
import { within } from "../../../support/deadline.ts";

const lockFile = join(import.meta.dirname, "../../../../server/peer/stores/lock.ts");

let folder: string;
let path: string;
const holders: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pieza-lock-containers-"));
  path = join(folder, "x.lock");
});
afterEach(async () => {
  for (const holder of holders.splice(0)) await kill(holder);
  rmSync(folder, { recursive: true, force: true });
});

/** A Node as the first process of a namespace of process ids, which is what a container gives it. Needs root. */
function inContainer(then: string): ChildProcess {
  const script = `
    const { takeLock } = await import(${JSON.stringify(lockFile)});
    try {
      const lock = takeLock(${JSON.stringify(path)}, "x");
      process.stdout.write("taken");
      ${then}
    } catch (error) {
      process.stdout.write(error.message);
    }`;
  const container = ["--pid", "--fork", "--kill-child", "--mount-proc", process.execPath];
  const child = spawn("unshare", [...container, "--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  holders.push(child);
  return child;
}

/** What a container says that takes the lock and gives it back. */
const tryInContainer = () => text(inContainer("lock.release();").stdout!);

/** Starts a container that keeps the lock. */
async function holder(): Promise<ChildProcess> {
  const child = inContainer("setInterval(() => {}, 1_000);");
  const [said] = await within(30_000, "the container has the lock", once(child.stdout!, "data"));
  expect(String(said)).toBe("taken");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}

it("belongs to one container at a time, and is free when that was killed", async () => {
  const first = await holder();
  expect(await tryInContainer()).toBe("x is in use by another process in another container or on its host");
  expect(() => takeLock(path, "x")).toThrow("x is in use by another process in another container");
  await kill(first);
  expect(await tryInContainer()).toBe("taken");
  expect(readdirSync(folder)).toEqual([]);
});

it("of a process outside of containers is not taken over by one inside", async () => {
  const lock = takeLock(path, "x");
  expect(await tryInContainer()).toMatch(/^x is in use by another process/);
  lock.release();
  expect(await tryInContainer()).toBe("taken");
});
