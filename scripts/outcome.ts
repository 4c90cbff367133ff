/** The result of a part of the tests. */
export interface Outcome {
  readonly passed: number;
  /** May exceed the number of `failures`, because two failed tests may have the same name. */
  readonly failed: number;
  /** The first line of each failure by the name of the test. */
  readonly failures: ReadonlyMap<string, string>;
}

export function outcomeOf(passed: number, failures: ReadonlyMap<string, string>): Outcome {
  return { passed, failed: failures.size, failures };
}

export function sumOf(outcomes: readonly Outcome[]): Outcome {
  return {
    passed: outcomes.reduce((sum, { passed }) => sum + passed, 0),
    failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
    failures: new Map(outcomes.flatMap(({ failures }) => [...failures])),
  };
}

export function firstLine(text = ""): string {
  return text.split("\n", 1)[0]!;
}
