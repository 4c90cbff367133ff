import { describe, expect, it } from "vitest";
import { root } from "../../scripts/run-command.ts";
import { outcomeOfReport, type Report } from "../../scripts/run-vitest.ts";

function report(statuses: readonly string[], file: { status?: string; message?: string } = {}): Report {
  const assertionResults = statuses.map((status, n) => ({
    fullName: `test ${n}`,
    status,
    failureMessages: status === "failed" ? ["Error: wrong\n    at somewhere"] : [],
  }));
  const result = { name: `${root}test/a.test.ts`, status: "passed", message: "", ...file, assertionResults };
  return {
    numPassedTests: statuses.filter((status) => status === "passed").length,
    testResults: [result],
  };
}

describe("what a report of vitest comes to", () => {
  it("counts who passed, and names who failed with the first line of why", () => {
    const outcome = outcomeOfReport(report(["passed", "failed"], { status: "failed" }), false, true);
    expect(outcome).toEqual({
      passed: 1,
      failed: 1,
      failures: new Map([["test/a.test.ts > test 1", "Error: wrong"]]),
    });
  });

  it.each(["skipped", "pending", "todo"])(
    "counts a test that is %s as failed where all should run",
    (status) => {
      const outcome = outcomeOfReport(report(["passed", status]), true, true);
      expect(outcome).toMatchObject({ passed: 1, failed: 1 });
      expect([...outcome.failures]).toEqual([["test/a.test.ts > test 1", "skipped"]]);
      expect(outcomeOfReport(report(["passed", status]), true, false)).toMatchObject({
        passed: 1,
        failed: 0,
      });
    },
  );

  it("counts a file that cannot be loaded as one failure", () => {
    const outcome = outcomeOfReport(
      report([], { status: "failed", message: "no such import\nat" }),
      false,
      true,
    );
    expect(outcome).toEqual({
      passed: 0,
      failed: 1,
      failures: new Map([["test/a.test.ts", "no such import"]]),
    });
  });

  it("counts an error outside any test as one failure", () => {
    expect(outcomeOfReport(report(["passed"]), false, true)).toMatchObject({ passed: 1, failed: 1 });
  });
});
