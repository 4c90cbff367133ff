import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { hashingLine, showHashing } from "../../../../server/cli/line/hashing.ts";
import { Output } from "../../../../server/cli/line/output.ts";

const GiB = 2 ** 30;

function output(options: { json?: boolean; quiet?: boolean; isTTY?: boolean }) {
  const { json = false, quiet = false, isTTY = false } = options;
  const stdout = new PassThrough();
  const stderr = Object.assign(new PassThrough(), { isTTY, columns: 60 });
  const out = new Output({ json, quiet, verbose: false, stdout, stderr });
  return { out, printed: () => String(stdout.read() ?? "") + String(stderr.read() ?? "") };
}

it("says the share, the total, the rate and the time left", () => {
  expect(hashingLine("big.iso", GiB, 4 * GiB, 1_000)).toBe(
    "hashing big.iso  25 %  1.0 GiB of 4.0 GiB  1.0 GiB/s  3 s left",
  );
});

/** A progress after each of these times, in milliseconds. */
function shown(times: readonly number[], options: Parameters<typeof output>[0], noProgress = false) {
  const { out, printed } = output(options);
  let ms = 0;
  const onHashed = showHashing("big.iso", out, { noProgress }, () => ms);
  for (ms of times) onHashed(ms, 20_000);
  return printed();
}

it("is a line every five seconds without a terminal", () => {
  const lines = shown([1_000, 5_000, 6_000, 10_000, 14_999], {}).trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[1]).toContain("50 %");
  expect(shown([6_000], {}, true)).toBe("");
  expect(shown([6_000], { quiet: true })).toBe("");
});

it("is an event twice a second for scripts", () => {
  const events = shown([400, 500, 900, 1_000], { json: true }).trimEnd().split("\n");
  expect(events.map((line) => JSON.parse(line).hashed_bytes)).toEqual([500, 1_000]);
});

it("is redrawn on a terminal, in its width", () => {
  const drawn = shown([100, 200], { isTTY: true });
  expect(drawn.match(/hashing/g)).toHaveLength(2);
  for (const line of drawn.replaceAll("\x1b[1A\x1b[0J", "").split("\n")) {
    expect(line.length).toBeLessThan(60);
  }
});
