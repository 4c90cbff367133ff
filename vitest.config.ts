import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./scripts/longest-first.ts";

/** Debian's Chromium; it looks nothing up on the outside and needs no sandbox in a container. */
const chromium = {
  executablePath: process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
  ],
};

/**
 * At least three files of tests at a time, also where there are two cores: many wait for processes and for time to pass.
 * On larger machines fewer of those that start browsers and many processes.
 */
const cores = availableParallelism();

const e2e = {
  setupFiles: ["test/support/no-leaks-e2e.ts"],
  testTimeout: 300_000,
  hookTimeout: 120_000,
  // Browsers and dozens of processes share the machine: what is polled for may take longer than the default second.
  expect: { poll: { timeout: 30_000 } },
};

/** What measures by the clock, and so has the machine for itself. */
const alone = ["test/e2e/page/looking.test.ts"];

export default defineConfig({
  test: {
    // A test that runs alone, or again until it passes, hides the others.
    allowOnly: false,
    retry: 0,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["test/web/**", "test/e2e/**", "test/bench/**"],
          setupFiles: ["test/support/no-leaks.ts"],
          // Hundreds of processes are started that compile the same files: what was compiled once is kept.
          env: { NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache") },
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: Math.max(3, cores),
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...e2e,
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          exclude: alone,
          maxWorkers: Math.max(3, Math.floor(cores / 2)),
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...e2e,
          name: "e2e-alone",
          include: alone,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
      {
        plugins: [svelte({ configFile: false })],
        // Found in the middle of a run, they would load its tests again.
        optimizeDeps: {
          include: [
            "@bufbuild/protobuf",
            "@bufbuild/protobuf/codegenv2",
            "@connectrpc/connect",
            "@connectrpc/connect-web",
          ],
        },
        test: {
          name: "browser",
          include: ["test/web/**/*.test.ts"],
          testTimeout: 60_000,
          maxWorkers: Math.max(2, Math.floor(cores / 2)),
          sequence: { groupOrder: 1 },
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: chromium }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
