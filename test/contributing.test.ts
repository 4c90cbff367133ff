import { describe, expect, it } from "vitest";
import { readSources } from "./support/source-tree.ts";

const text = readSources("CONTRIBUTING.md").get("CONTRIBUTING.md")!;
const map = /\n## A map for readers\n([\s\S]*?)\n## /.exec(text)![1]!;
const pathsIn = (part: string) =>
  [...part.matchAll(/`([\w./-]+\.(?:ts|proto|svelte))`/g)].map(([, path]) => path!);

describe("the map for readers", () => {
  it("names files that exist", () => {
    const files = readSources("{core,server,web,test,proto}/**/*.{ts,svelte,proto}");
    const named = pathsIn(map);
    expect(named.length).toBeGreaterThan(40);
    expect(named.filter((path) => !files.has(path))).toEqual([]);
  });

  it("follows three flows through at most twelve steps each", () => {
    const flows = map.split(/\n\*\*(?=A)/).slice(1);
    expect(flows.map((flow) => flow.slice(0, flow.indexOf("**")))).toEqual([
      "A piece arrives",
      "An announce arrives",
      "A piece is served",
    ]);
    for (const flow of flows) {
      const steps = [...flow.matchAll(/^(\d+)\. /gm)].map(([, step]) => Number(step));
      expect(Math.max(...steps)).toBeLessThanOrEqual(12);
      for (const step of flow.split(/^\d+\. /m).slice(1)) expect(pathsIn(step).length).toBeGreaterThan(0);
    }
  });

  it("says of ten likely changes which files to open, at most three each", () => {
    const rows = map.split("\n").filter((line) => /^\| (?!where|-)/.test(line));
    expect(rows).toHaveLength(10);
    for (const row of rows) {
      expect(pathsIn(row).length, row).toBeGreaterThan(0);
      expect(pathsIn(row).length, row).toBeLessThanOrEqual(3);
    }
  });
});
