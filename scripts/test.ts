/**
 * `npm test`: all there is. Checks, the page's build, the tests in Node, in Chromium and against real processes, and
 * the tests of the tests. Ends with the line "N passed, N failed"; a skipped test is a failed one, because nobody would
 * notice it otherwise. `npm test -- node e2e` runs these parts alone; `--outcome=FILE` also writes what failed, as JSON.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { partNames, runSuite } from "./suite.ts";

const { values, positionals } = parseArgs({
  options: { outcome: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !partNames.includes(name));
if (unknown !== undefined) {
  console.error(`There is no part called ${unknown}; there are: ${partNames.join(", ")}`);
  process.exit(2);
}
const { passed, failed, failures } = await runSuite(positionals.length > 0 ? positionals : partNames);
if (values.outcome) {
  await writeFile(values.outcome, JSON.stringify({ passed, failed, failures: [...failures] }));
}
process.exitCode = failed === 0 ? 0 : 1;
for (const [name, why] of failures) console.log(`failed: ${name}\n    ${why}`);
console.log(`\n${passed} passed, ${failed} failed`);
