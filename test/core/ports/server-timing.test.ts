import { expect, it } from "vitest";
import { parseServerTiming } from "#core/ports/server-timing.ts";

it.each([
  ["limit;dur=12.3, read;dur=0.4", { limitMs: 12.3, readMs: 0.4 }],
  ["cache;desc=hit, read;dur=7", { limitMs: 0, readMs: 7 }],
  ["limit;dur=999999999, read;dur=0.0", { limitMs: 3_600_000, readMs: 0 }],
  ["limit;dur=-1, read;dur=1e9", undefined],
  ["", undefined],
  [null, undefined],
  [`read;dur=1,${"x".repeat(1_000)}`, undefined],
])("Server-Timing %j is %j", (header, timing) => expect(parseServerTiming(header)).toEqual(timing));
