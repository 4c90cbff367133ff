import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { root } from "../scripts/run-command.ts";

it("every row of docs/reports.md names a test that exists, or says that it was tried by hand", async () => {
  const rows = (await readFile(join(root, "docs/reports.md"), "utf8"))
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (?:tried|---) \|/.test(line));
  expect(rows.length).toBeGreaterThan(140);
  for (const row of rows) {
    const cell = row.split(/(?<!\\)\|/).at(-2)!;
    const tests = [...cell.matchAll(/`(test\/[^`]+)`/g)].map(([, path]) => path!);
    if (tests.length === 0) expect(cell).toContain("by hand");
    for (const path of tests) expect(existsSync(join(root, path)), path).toBe(true);
  }
});
