/**
 * `npm test`: the checks, the build of the page, the tests in Node, in Chromium and with real processes, and the
 * sabotages. Ends with the line "N passed, N failed". A skipped test counts as failed, because it would otherwise go
 * unnoticed. `npm test -- node e2e` runs only these parts; `--outcome=FILE` also writes the outcome as JSON.
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
