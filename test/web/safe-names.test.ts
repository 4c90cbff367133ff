import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renamedOf, safeName, windowsPaths } from "../../web/src/base/safe-names.ts";

/** What Windows and the browsers on it take as a name. */
const SAFE =
  /^(?!(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$|clock\$)\s*(\.|$))[^\\/:<>"|?*\p{Cc}]*[^\\/:<>"|?*\p{Cc}\s.]$/iu;

describe("names for Windows", () => {
  it.each([
    ["a:b", "a_b"],
    ["what?.mp3", "what_.mp3"],
    ['<"|*\\>', "______"],
    ["CON", "_CON"],
    ["con.txt", "_con.txt"],
    ["nul .tar.gz", "_nul .tar.gz"],
    ["COM¹", "_COM¹"],
    ["aux.", "aux_"],
    ["ends. .", "ends___"],
    [" starts", "_starts"],
    ["~", "_"],
    [".bashrc", ".bashrc"],
    ["console", "console"],
    ["año 数据.txt", "año 数据.txt"],
  ])("%s becomes %s", (name, safe) => {
    expect(safeName(name)).toBe(safe);
  });

  it("are different where they were, also for who ignores case, and what can stay as it is stays", () => {
    const paths = ["a:b", "a?b", "a_b", "A_B_", "x./1", "x_/1", "x./2", "x_"];
    expect(windowsPaths(paths)).toEqual(["a_b_2", "a_b_3", "a_b", "A_B_", "x__/1", "x_/1", "x__/2", "x_"]);
    expect(renamedOf([["ok", "ok"]])).toBeUndefined();
    expect(
      renamedOf([
        ["ok", "ok"],
        ["a:b", "a_b"],
        ["c?", "c_"],
      ]),
    ).toEqual({ count: 2, from: "a:b", to: "a_b" });
  });

  it("are safe and different for any paths", () => {
    const name = fc.oneof(
      fc
        .string({ minLength: 1, maxLength: 4, unit: "grapheme" })
        .map((text) => text.replaceAll("/", "") || "x"),
      fc.constantFrom("con", "CON.", "a:", "a?", "a_", "A_", " ", "..."),
    );
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 12, selector: (one) => one.toLowerCase() }), (paths) => {
        const safe = windowsPaths(paths);
        for (const part of safe.flatMap((one) => one.split("/"))) expect(part).toMatch(SAFE);
        expect(new Set(safe.map((one) => one.toLowerCase())).size).toBe(paths.length);
      }),
    );
  });
});
