import ts from "typescript";
import { describe, expect, it } from "vitest";
import { importsOf, parse, readSources, type SourceTree } from "./support/source-tree.ts";

/** The picture in CONTRIBUTING.md as data. The first room whose pattern fits is a file's room. */
const rooms = [
  { name: "gen", files: /^gen\// },
  {
    name: "nouns",
    files: /^core\/(base|torrent)\//,
  },
  { name: "download", files: /^core\/download\// },
  { name: "rpc", files: /^core\/rpc\// },
  { name: "parts", files: /^core\// },
  { name: "server", files: /^server\// },
  { name: "web", files: /^web\// },
] as const;

type Room = (typeof rooms)[number]["name"];

/** Which rooms a room may import from, besides packages (which `packagesAllowed` has). */
const mayImport: Record<Room, readonly Room[]> = {
  gen: ["gen"],
  nouns: ["nouns"],
  parts: ["nouns", "parts"],
  download: ["nouns", "parts", "download"],
  rpc: ["nouns", "parts", "rpc", "gen"],
  server: ["nouns", "parts", "download", "rpc", "gen", "server"],
  web: ["nouns", "parts", "download", "rpc", "web"],
};

/** Packages that a room may name; rooms without an entry may name any. */
const packagesAllowed: Partial<Record<Room, RegExp>> = {
  nouns: /^$/,
  parts: /^$/,
  download: /^$/,
  rpc: /^@(connectrpc\/connect|bufbuild\/protobuf)(\/|$)/,
  web: /^(?!node:|@connectrpc\/connect-node)/,
};

const maxLines = 400;
const maxFunctionLines = 80;

function roomOf(path: string): Room | undefined {
  return rooms.find(({ files }) => files.test(path))?.name;
}

/** One line for each import that the picture does not have. */
function forbiddenImports(tree: SourceTree): string[] {
  const problems: string[] = [];
  for (const [path, source] of tree) {
    const from = roomOf(path);
    if (!from) continue;
    for (const name of importsOf(path, source)) {
      const to = roomOf(name);
      const allowed = to ? mayImport[from].includes(to) : (packagesAllowed[from]?.test(name) ?? true);
      if (!allowed) problems.push(`${path} (${from}) imports ${name}${to ? ` (${to})` : ""}`);
    }
  }
  return problems;
}

/** Each circle of imports that there is, as the path around it; types count as much as values. */
function cycles(tree: SourceTree): string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.push([...trail.slice(at), path].join(" -> "));
    if (at >= 0 || done.has(path)) return;
    for (const next of importsOf(path, tree.get(path)!)) if (tree.has(next)) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of tree.keys()) walk(path, []);
  return found;
}

/** Files and functions that nobody reads in one go, and barrels, which hide who uses what. */
function misshapen(tree: SourceTree): string[] {
  const problems: string[] = [];
  for (const [path, source] of tree) {
    if (/(^|\/)index\.ts$/.test(path)) problems.push(`${path} is a barrel`);
    const lines = lineCount(source);
    if (lines > maxLines) problems.push(`${path} has ${lines} lines`);
    if (!path.startsWith("test/")) problems.push(...longFunctions(path, source));
  }
  return problems;
}

function longFunctions(path: string, source: string): string[] {
  const problems: string[] = [];
  const visit = (node: ts.Node): void => {
    const lines = ts.isFunctionLike(node) ? lineCount(node.getText()) : 0;
    if (lines > maxFunctionLines) problems.push(`${path} has a function of ${lines} lines`);
    ts.forEachChild(node, visit);
  };
  visit(parse(path, source));
  return problems;
}

function lineCount(text: string): number {
  return text.trimEnd().split("\n").length;
}

const tree = (files: Record<string, string>): SourceTree => new Map(Object.entries(files));

describe("the tree", () => {
  const sources = readSources("{core,server,gen}/**/*.ts", "web/src/**/*.{ts,svelte}");
  const handWritten = readSources("{core,server,web,scripts,test}/**/*.{ts,svelte}", "*.ts");

  it("has files in every room that exists", () => {
    expect(sources.size).toBeGreaterThan(20);
    expect(new Set([...sources.keys()].map(roomOf))).toContain("nouns");
  });

  it("imports only what the picture allows", () => {
    expect(forbiddenImports(sources)).toEqual([]);
  });

  it("imports nothing in a circle", () => {
    expect(cycles(sources)).toEqual([]);
  });

  it("has no barrel, no file over 400 lines and no function over 80", () => {
    expect(misshapen(handWritten)).toEqual([]);
  });
});

describe("what the tree's tests notice", () => {
  it.each([
    ["a noun that imports a part", "core/torrent/piece.ts", `import type { PieceStore } from "./store.ts";`],
    ["a part that imports the engine", "core/download/picker.ts", `export * from "./download.ts";`],
    ["a download that sees rpc", "core/download/download-view.ts", `const rpc = await import("./rpc.ts");`],
    ["rpc that sees a download", "core/rpc/peer.ts", `import "./download.ts";`],
    [
      "a part that imports gen/",
      "core/download/swarm.ts",
      `import { PeerSchema } from "#gen/pieza/v1/peer_pb.ts";`,
    ],
    ["core that imports Node", "core/base/hash.ts", `import { createHash } from "node:crypto";`],
    [
      "core that imports an edge",
      "core/rpc/rpc.ts",
      `let x: import("../server/http/guards/token.ts").Token;`,
    ],
    ["a server that imports the page", "server/cli/up.ts", `import "../../web/src/app.ts";`],
    ["a page that imports gen/", "web/src/app.ts", `import { PeerSchema } from "#gen/pieza/v1/peer_pb.ts";`],
    [
      "a page that imports a server",
      "web/src/App.svelte",
      `<script>import "../../server/peer/peer.ts"</script>`,
    ],
    ["a worker from elsewhere", "web/src/app.ts", `new URL("../../server/w.ts", import.meta.url)`],
    ["a page that imports Node", "web/src/app.ts", `import fs from "node:fs";`],
  ])("%s", (_what, path, source) => {
    expect(forbiddenImports(tree({ [path]: source }))).toHaveLength(1);
  });

  it("a circle, made of types alone too", () => {
    const circle = tree({
      "core/a.ts": `import { b } from "./b.ts";`,
      "core/b.ts": `import type { C } from "./c.ts";`,
      "core/c.ts": `export type { A } from "#core/a.ts";`,
    });
    expect(cycles(circle)).toEqual(["core/a.ts -> core/b.ts -> core/c.ts -> core/a.ts"]);
  });

  it("a barrel, a long file and a long function", () => {
    const long = `function f() {\n${"  g();\n".repeat(79)}}\n`;
    expect(misshapen(tree({ "core/index.ts": `export * from "./a.ts";` }))).toEqual([
      "core/index.ts is a barrel",
    ]);
    expect(misshapen(tree({ "test/a.test.ts": "x;\n".repeat(401) }))).toEqual([
      "test/a.test.ts has 401 lines",
    ]);
    expect(misshapen(tree({ "core/a.ts": long }))).toEqual(["core/a.ts has a function of 81 lines"]);
  });
});
