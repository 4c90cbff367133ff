import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { SoakResult } from "../../scripts/soak.ts";

const SECONDS = 25;
const program = fileURLToPath(new URL("../../scripts/soak.ts", import.meta.url));

it("comings and goings leave neither memory nor files nor timers behind", async () => {
  const args = ["--expose-gc", program, String(SECONDS)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 5_000 * SECONDS });
  console.log(stdout.trim());
  const { downloads, interrupted, restarts, problems } = JSON.parse(stdout) as SoakResult;
  expect(problems).toEqual([]);
  expect(Math.min(downloads, interrupted, restarts)).toBeGreaterThan(0);
}, 200_000);
