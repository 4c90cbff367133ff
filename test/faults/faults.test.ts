import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { faults } from "./faults.ts";
import { type TestPlace, twins } from "./twins.ts";

const root = new URL("../../", import.meta.url);
const sources = new Map<string, string>();

/** Without comments: a test that was only commented out is gone. */
function sourceOf(file: string): string {
  const known = sources.get(file);
  if (known !== undefined) return known;
  const source = readFileSync(new URL(file, root), "utf8").replace(/^\s*(\/\/|\/?\*).*$/gm, "");
  sources.set(file, source);
  return source;
}

function expectThere([file, name]: TestPlace): void {
  const places = sourceOf(file).split(name).length - 1;
  expect(places, `places in ${file} that read: ${name}`).toBe(1);
}

/** The faults that are survived by promise, by the numbers that they have always had. */
const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18, 19, 23, 27, 28, 29, 30, 31];

describe("a fault that is survived by promise", () => {
  it("is in the table", () => {
    expect(Object.keys(faults)).toEqual(NUMBERS.map((number) => `F${number}`));
  });

  it.each(Object.entries(faults))("%s has the tests that say so", (_id, { tests }) => {
    const named = Object.entries(tests).flatMap(([file, names]) =>
      names.map((name) => [file, name] as const),
    );
    expect(named.length).toBeGreaterThan(0);
    named.forEach(expectThere);
  });
});

describe("a claim made of simulated machines", () => {
  it.each(twins)("is made of real processes too: $claim", ({ simulated, real }) => {
    expectThere(simulated);
    expectThere(real);
  });
});
