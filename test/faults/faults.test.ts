import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { faults } from "./faults.ts";

const root = new URL("../../", import.meta.url);

describe("a fault that is survived by promise", () => {
  it.each(Object.entries(faults))("%s has the tests that say so", (_id, { tests }) => {
    const named = Object.entries(tests);
    expect(named.length).toBeGreaterThan(0);
    for (const [file, names] of named) {
      const source = readFileSync(new URL(file, root), "utf8");
      for (const name of names) {
        const places = source.split(name).length - 1;
        expect(places, `places in ${file} that read: ${name}`).toBe(1);
      }
    }
  });
});
