import { expect, it } from "vitest";
import { type Outcome, outcomeOf } from "../../scripts/outcome.ts";
import { repeat } from "../../scripts/repeat.ts";

it("goes on after a failure, and counts for each test in how many runs it failed", async () => {
  const both = new Map([
    ["a.test.ts > one", "expected 1 to be 2\n  at a.test.ts"],
    ["a.test.ts > two", "late"],
  ]);
  const outcomes: Outcome[] = [
    outcomeOf(10, new Map()),
    outcomeOf(8, both),
    outcomeOf(9, new Map([["a.test.ts > two", "later"]])),
  ];
  const printed: string[] = [];
  const failures = await repeat(
    outcomes.length,
    async (n) => outcomes[n - 1]!,
    (line) => printed.push(line.replace(/\(\d+ s\)/, "(.. s)")),
  );
  expect(failures).toEqual(
    new Map([
      ["a.test.ts > one", { times: 1, message: "expected 1 to be 2" }],
      ["a.test.ts > two", { times: 2, message: "later" }],
    ]),
  );
  expect(printed).toEqual([
    "run 1 of 3: 10 passed, 0 failed (.. s)",
    "run 2 of 3: 8 passed, 2 failed (.. s)",
    "run 3 of 3: 9 passed, 1 failed (.. s)",
    "failed 1 of 3: a.test.ts > one\n    expected 1 to be 2",
    "failed 2 of 3: a.test.ts > two\n    later",
    "2 failed in 3 runs",
  ]);
});

it("says so when nothing failed", async () => {
  const printed: string[] = [];
  const failures = await repeat(
    2,
    async () => outcomeOf(5, new Map()),
    (line) => printed.push(line),
  );
  expect(failures.size).toBe(0);
  expect(printed.at(-1)).toBe("2 runs, nothing failed");
});
