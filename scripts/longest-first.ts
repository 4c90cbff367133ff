import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The slowest test files, the slowest first. Most of their time is waiting, in which other files run. */
const longest = [
  "test/server/cli/verbs/up-copies.test.ts",
  "test/faults/killed-download.test.ts",
  "test/server/tracker/announce/herd.test.ts",
  "test/faults/soak.test.ts",
  "test/simulation/simulation.test.ts",
  "test/server/cli/verbs/up.test.ts",
  "test/server/peer/volunteer/volunteer-processes.test.ts",
  "test/server/peer/stores/power-cut.test.ts",
  "test/server/tracker/store/redis/faults.test.ts",
  "test/server/cli/doctor/doctor.test.ts",
  "test/server/cli/records/explain.test.ts",
  "test/server/cli/verbs/swarm.test.ts",
  "test/e2e/container.test.ts",
  "test/e2e/systemd.test.ts",
  "test/e2e/replication.test.ts",
  "test/e2e/roles.test.ts",
  "test/e2e/faults.test.ts",
  "test/e2e/swarm.test.ts",
  "test/e2e/page/resume.test.ts",
];

function placeOf({ moduleId }: TestSpecification): number {
  const at = longest.findIndex((file) => moduleId.endsWith(`/${file}`));
  return at < 0 ? longest.length : at;
}

/** Starts the slowest files of a project first, so that none of them runs alone at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const orderOf = ({ project }: TestSpecification) => project.config.sequence.groupOrder;
    return sorted.sort((a, b) => orderOf(a) - orderOf(b) || placeOf(a) - placeOf(b));
  }
}
