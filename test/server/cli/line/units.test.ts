import { describe, expect, it } from "vitest";
import {
  formatBytes,
  formatDuration,
  parseDuration,
  parsePieceRanges,
  parseSize,
  printable,
  printableJson,
} from "../../../../server/cli/line/units.ts";

describe("sizes", () => {
  it.each([
    ["0", 0],
    ["4096", 4096],
    ["1MiB", 1 << 20],
    ["1 mib", 1 << 20],
    ["50GB", 50_000_000_000],
    ["1.5KiB", 1536],
    ["2TiB", 2 ** 41],
  ])("%s is %d bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(["", "MiB", "-1", "1XB", "1e3", "1,5KiB", "0x10", "99999999999TiB", "NaN"])(
    "%s is none",
    (text) => {
      expect(() => parseSize(text)).toThrow(/expected a size such as 1MiB or 50GB, got/);
    },
  );

  it.each([
    [0, "0 bytes"],
    [1, "1 byte"],
    [1023, "1023 bytes"],
    [1024, "1.0 KiB"],
    [64 << 20, "64.0 MiB"],
    [2 ** 40 * 1.28, "1.3 TiB"],
  ])("%d bytes are written %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe("times", () => {
  it.each([
    ["20s", 20_000],
    ["500ms", 500],
    ["30", 30_000],
    ["1.5h", 5_400_000],
    ["2m", 120_000],
    ["1d", 86_400_000],
  ])("%s is %d ms", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(["", "soon", "-5s", "5 weeks"])("%s is none", (text) => {
    expect(() => parseDuration(text)).toThrow(/expected a time such as/);
  });

  it.each([
    [0, "0.0 s"],
    [1_449, "1.4 s"],
    [59_400, "59 s"],
    [185_000, "3:05 min"],
    [9_600_000, "2:40 h"],
  ])("%d ms are written %s", (ms, text) => expect(formatDuration(ms)).toBe(text));
});

describe("piece numbers", () => {
  it("are single or in ranges", () => {
    expect(parsePieceRanges("1-40, 60")).toEqual([
      [1, 40],
      [60, 60],
    ]);
  });

  it.each(["", "0", "3-1", "a", "1-", "1,,2", "-4"])("%s are none", (text) => {
    expect(() => parsePieceRanges(text)).toThrow(/expected piece numbers such as 1-40,60/);
  });
});

it("text from outside cannot move the cursor, ring the bell or turn the direction of what follows", () => {
  expect(printable("a\x1b[2J\x07\n\u202egpj.exe 文 é")).toBe("a\ufffd[2J\ufffd\ufffd\ufffdgpj.exe 文 é");
  expect(printable("\u009b2J\u007f\u2066\u200e\ufeff\ud800")).toBe("\ufffd2J\ufffd\ufffd\ufffd\ufffd\ufffd");
  // Two emoji and a joiner are one family.
  expect(printable("👩‍👧")).toBe("👩‍👧");
});

it("JSON escapes the same characters, and means the same", () => {
  const value = {
    url: "a\u001b[2J\u009b2J\u007f\u202e\u{e0001}\ud800",
    n: 1.5,
    list: [null, true, "é文👩‍👧"],
  };
  const text = printableJson(value);
  expect(printable(text)).toBe(text);
  expect(JSON.parse(text)).toEqual(value);
});
