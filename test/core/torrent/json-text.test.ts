import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkJson, placeOf } from "#core/torrent/json-check.ts";
import { parseJson } from "#core/torrent/json-text.ts";

const parse = (text: string) => parseJson(text, "torrent", 1 << 20);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("JSON from outside", () => {
  it("is what JSON.parse takes for JSON, except where a key is there twice", () => {
    const alphabet = fc.constantFrom(...'{}[]:,"\\ue0123-+.tfnrasl \n\u0001\ud83d');
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 12 }), (text) => {
        const problem = checkJson(text);
        if (problem?.kind !== "duplicate-key") expect(problem === undefined).toBe(isJson(text));
      }),
      { numRuns: 5_000 },
    );
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 5 }),
        fc.nat(),
        fc.constantFrom("", ",", '"', "0", "}"),
        (json, at, put) => {
          expect(parse(json)).toEqual(JSON.parse(json));
          const text = json.slice(0, at % (json.length + 1)) + put;
          expect(checkJson(text) === undefined).toBe(isJson(text));
        },
      ),
    );
  });

  it("may begin with a byte order mark", () => {
    expect(parse('\ufeff{"a": 1}')).toEqual({ a: 1 });
  });

  it.each([
    ['{\n  "a": 1,\n  "b": 2,\n}', "line 4, column 1"],
    ['{"a": 1} x', "line 1, column 10"],
    ["{file_name: 1}", "line 1, column 2"],
    ['\ufeff{\r\n"a": tru}', "line 2, column 6"],
    ['["\t"]', "line 1, column 3"],
    ['["a', "line 1, column 4"],
    ['{"a": 1', "line 1, column 8"],
  ])("says where it is none: %j", (text, place) => {
    expect(() => parse(text)).toThrow(`torrent: is not JSON: see ${place}`);
  });

  it.each([
    ['{"length": 1, "length": 2}', "line 1, column 15"],
    ['[{"a": 1}, {"b": {"a": 1,\n"\\u0061": 1}}]', "line 2, column 1"],
    ['{"__proto__": 1, "__proto__": 2}', "line 1, column 18"],
  ])("has no key twice: %s", (text, place) => {
    expect(() => parse(text)).toThrow(`torrent: has a key twice: ${place}`);
  });

  it("may have a key once in each of many objects", () => {
    expect(parse('[{"a": {"a": 1}}, {"a": 2}]')).toEqual([{ a: { a: 1 } }, { a: 2 }]);
  });

  it.each([
    ["", "is empty"],
    ["\ufeff \n", "is empty"],
    ["<!DOCTYPE html><title>Log in</title>", "is a web page, not JSON"],
    ["\n<html>", "is a web page, not JSON"],
    ["d8:announce35:http://", "is a .torrent file of BitTorrent"],
    ["magnet:?xt=urn:btih:0", "is a magnet link of BitTorrent"],
  ])("is named for what it is instead: %j", (text, what) => {
    expect(() => parse(text)).toThrow(`torrent: ${what}`);
  });

  it("counts lines and columns from 1", () => {
    expect(placeOf("", 0)).toBe("line 1, column 1");
    expect(placeOf("a\nbc\r\nd", 6)).toBe("line 3, column 1");
  });
});
