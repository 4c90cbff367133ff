import { describe, expect, it } from "vitest";
import { InvalidField } from "#core/base/errors.ts";
import { checkFileName, checkName, checkPath, foldName, windowsProblem } from "#core/base/file-name.ts";

/** Names that could leave a folder, name a device, hide what they are, or not fit, on one system or another. */
const refused: [name: unknown, problem: RegExp][] = [
  ["", /empty/],
  [".", /\. or \.\./],
  ["..", /\. or \.\./],
  ["...", /end in a dot/],
  [". ", /end in a dot or a space/],
  [".. ", /end in a dot or a space/],
  ["\u200d", /empty/],
  [".\u200c.", /\. or \.\./],
  ["/", /\//],
  ["/etc/passwd", /\//],
  ["../x", /\//],
  ["a/../b", /\//],
  ["a/b", /\//],
  ["a/", /\//],
  ["\\", /\\/],
  ["..\\x", /\\/],
  ["a\\b", /\\/],
  ["\\\\server\\share", /\\/],
  ["\\\\?\\C:\\x", /\\/],
  ["C:", /colon/],
  ["C:x", /colon/],
  ["C:\\x", /\\/],
  ["file.txt:stream", /colon/],
  ["file.txt::$DATA", /colon/],
  ["a\0", /control/],
  ["a\0.txt", /control/],
  ["a\nb", /control/],
  ["a\rb", /control/],
  ["a\tb", /control/],
  ["\u001b[2Jx", /control/],
  ["a\u007f", /control/],
  ["a\u0085b", /control/],
  ["a\u2028b", /control/],
  ["a\u2029b", /control/],
  ["photo\u202egpj.exe", /invisible/],
  ["a\u202ab", /invisible/],
  ["a\u2066b\u2069", /invisible/],
  ["a\u200eb", /invisible/],
  ["a\u200fb", /invisible/],
  ["a\u061cb", /invisible/],
  ["a\u200bb", /invisible/],
  ["a\u2060b", /invisible/],
  ["\ufeffa", /invisible/],
  ["a\u00adb", /invisible/],
  ["a\u{e0041}b", /invisible/],
  ["a\ud800", /control/],
  ["\udc00a", /control/],
  ["a.", /end/],
  ["a ", /end/],
  ["a. .", /end/],
  ["a\u00a0", /end/],
  ["a.\u200d", /end/],
  [" ", /end/],
  ["\u3000", /end/],
  ["CON", /device/],
  ["con", /device/],
  ["Con.txt", /device/],
  ["con .txt", /device/],
  ["con.tar.gz", /device/],
  ["c\u200don", /device/],
  ["PRN", /device/],
  ["AUX.c", /device/],
  ["NUL", /device/],
  ["nul.", /end/],
  ["COM1", /device/],
  ["com9.log", /device/],
  ["COM\u00b9", /device/],
  ["LPT1", /device/],
  ["lpt\u00b3.x", /device/],
  ["CONIN$", /device/],
  ["CONOUT$", /device/],
  ["CLOCK$", /device/],
  ["a".repeat(256), /255 bytes/],
  ["é".repeat(128), /255 bytes/],
  ["🎵".repeat(64), /255 bytes/],
  [undefined, /string/],
  [null, /string/],
  [7, /string/],
  [["a"], /string/],
];

/** Names that people have. They come back as given, byte for byte. */
const accepted = [
  "a",
  "shakira.mp3",
  ".bashrc",
  "..hidden",
  "a..b",
  " leading space",
  "with spaces (1) [2] {3}.tar.gz",
  "quotes \" and ' and `",
  '<img src=x onerror="window.__x=1">',
  "{{7*7}}",
  "100%.txt",
  "%2e%2e%2f",
  "# 1?.txt",
  "-rf",
  "--help",
  "~",
  "$HOME",
  "a;b|c&d*",
  "__proto__",
  "constructor",
  "console.log",
  "com10.txt",
  "nullable",
  "auxiliary",
  "canción.txt",
  "cafe\u0301.txt",
  "日本語.zip",
  "файл.bin",
  "שלום.txt",
  "سلام.txt",
  "می\u200cخواهم.txt",
  "क्\u200dष.txt",
  "👩\u200d👩\u200d👧.png",
  "♥\ufe0f.txt",
  "🎵",
  "a".repeat(255),
  "é".repeat(127),
];

describe("a name from outside", () => {
  it("has at least sixty ways to be refused", () => expect(refused.length).toBeGreaterThanOrEqual(60));

  it.each(refused)("%j is refused", (name, problem) => {
    expect(() => checkFileName(name, "file_name")).toThrow(problem);
    expect(() => checkFileName(name, "file_name")).toThrow(InvalidField);
  });

  it.each(accepted)("%j is kept as given", (name) => expect(checkFileName(name, "file_name")).toBe(name));

  it("is refused under the field that it came in", () => {
    expect(() => checkFileName("..", "files[2].path")).toThrow(
      expect.objectContaining({ field: "files[2].path" }),
    );
  });
});

describe("a catalog name", () => {
  it("leaves room for .json", () => {
    expect(checkName("a".repeat(250), "name")).toHaveLength(250);
    expect(() => checkName("a".repeat(251), "name")).toThrow("name: must be at most 250 bytes");
  });
});

describe("a path", () => {
  it.each(["a", "a/b", "a b/ç/日本.txt", `${"a".repeat(255)}/b`, "a/12:30.txt", "nul/aux.c", "a./b "])(
    "%j is kept as given",
    (path) => {
      expect(checkPath(path, "path")).toBe(path);
    },
  );

  it.each([
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    "./a",
    "a/./b",
    "../a",
    "a/../../b",
    "a/..",
    "a\\b",
    "a/\u200d/b",
    "a/\0/b",
    "a/\u202eb",
    `${"a".repeat(256)}/b`,
    Array(600).fill("a").join("/"),
    undefined,
  ])("%j is refused", (path) => expect(() => checkPath(path, "path")).toThrow(InvalidField));
});

describe("a path on Windows", () => {
  it.each([
    ["a/12:30.txt", "contains :"],
    ["C:/x", "contains :"],
    ["what?.txt", "contains ?"],
    ['a"b', 'contains "'],
    ["a<b>|c*", "contains <"],
    ["a./b", "ends in a dot or a space"],
    ["a/b ", "ends in a dot or a space"],
    ["a/b.\u200d", "ends in a dot or a space"],
    ["src/aux.c", "is a device name there"],
    ["NUL/x", "is a device name there"],
    ["com1 .txt", "is a device name there"],
  ])("%j %s", (path, problem) => {
    expect(windowsProblem(path)).toBe(problem);
    expect(checkPath(path, "path")).toBe(path);
  });

  it.each(["a", "a/b.c", " a/..b", "com10/nullable", "日本/語.txt"])("%j can be written", (path) => {
    expect(windowsProblem(path)).toBeUndefined();
  });
});

describe("folded names", () => {
  it.each([
    ["README", "readme"],
    ["É", "e\u0301"],
    ["straße", "STRASSE"],
    ["ſ", "S"],
    ["Σ", "ς"],
    ["a\u200db", "ab"],
  ])("%j and %j are one name on some system", (a, b) => expect(foldName(a)).toBe(foldName(b)));

  it.each([
    ["a", "b"],
    ["e", "é"],
    ["a", "а"],
    ["а.", "а"],
  ])("%j and %j are two", (a, b) => expect(foldName(a)).not.toBe(foldName(b)));
});
