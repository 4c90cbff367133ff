import { svelte } from "@sveltejs/vite-plugin-svelte";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

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

export default defineConfig({
  test: {
    // A test that runs alone, or again until it passes, hides the others.
    allowOnly: false,
    retry: 0,
    projects: [
      {
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["test/web/**", "test/e2e/**", "test/bench/**"],
          setupFiles: ["test/support/no-leaks.ts"],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
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
