/** How a part of the tests ended. */
export interface Outcome {
  readonly passed: number;
  /** May be more than there are `failures`: two that failed may have one name. */
  readonly failed: number;
  /** By the name of what failed: the first line of why. */
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
