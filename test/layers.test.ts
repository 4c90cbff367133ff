import ts from "typescript";
import { describe, expect, it } from "vitest";
import { doors, houseOf, mayUse, picture, type Room, roomOf, rooms } from "./support/rooms.ts";
import { importsOf, parse, readSources, type SourceTree } from "./support/source-tree.ts";

const maxLines = 400;
const maxFunctionLines = 80;

/** One line for each import that the rules of the rooms do not have. */
function forbiddenImports(tree: SourceTree): string[] {
  const problems: string[] = [];
  for (const [path, source] of tree) {
    const from = roomOf(path);
    if (!from) {
      problems.push(`${path} lies in no room`);
      continue;
    }
    for (const name of importsOf(path, source)) {
      const because = whyForbidden(from, name);
      if (because) problems.push(`${path} imports ${name}: ${because}`);
    }
  }
  return problems;
}

function whyForbidden(from: Room, name: string): string | undefined {
  if (!/^(core|gen|server|web|test|scripts)\//.test(name)) {
    return !from.packages.test(name) ? `${from.path} may not use this package` : undefined;
  }
  const to = roomOf(name);
  if (!to) return "it lies in no room";
  const [here, there] = [houseOf(from.path), houseOf(to.path)];
  const door = here !== there ? doors[there] : undefined;
  if (door) return isDoorFor(from, name, there, door) ? undefined : "it is no door of its house";
  return mayUse(from, to) ? undefined : `${from.path} may not use ${to.path}`;
}

/** Only the command line comes in from another house. */
function isDoorFor(from: Room, name: string, house: string, door: readonly string[]): boolean {
  return from.path.startsWith("server/cli") && door.includes(name.slice(house.length + 1));
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

  it("has files in every room, and none with more than 25", () => {
    const counts = new Map(rooms.map((room) => [room.path, 0]));
    for (const path of sources.keys()) {
      const room = roomOf(path)?.path ?? `${path}: in no room`;
      counts.set(room, (counts.get(room) ?? 0) + 1);
    }
    expect([...counts].filter(([, count]) => count === 0 || count > 25)).toEqual([]);
  });

  it("uses only rooms above in the list", () => {
    const below = rooms.flatMap((from, at) =>
      rooms.slice(at + 1).flatMap((to) => (mayUse(from, to) ? [`${from.path} uses ${to.path}`] : [])),
    );
    expect(below).toEqual([]);
  });

  it("has doors that exist", () => {
    const missing = Object.entries(doors).flatMap(([house, files]) =>
      files.map((file) => `${house}/${file}`).filter((path) => !sources.has(path)),
    );
    expect(missing).toEqual([]);
  });

  it("is drawn in CONTRIBUTING.md as it is", () => {
    expect(readSources("CONTRIBUTING.md").get("CONTRIBUTING.md")).toContain(`\n${picture()}\n`);
  });

  it("imports only what the rules of the rooms allow", () => {
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
    [
      "a torrent that imports a port",
      "core/torrent/piece.ts",
      `import type { Store } from "../ports/store.ts";`,
    ],
    [
      "an announcer that imports the engine",
      "core/announce/a.ts",
      `export * from "../download/download.ts";`,
    ],
    ["a download that sees rpc", "core/download/a.ts", `const rpc = await import("../rpc/rpc.ts");`],
    ["rpc that sees a download", "core/rpc/peer.ts", `import "../download/download.ts";`],
    ["an engine that imports gen/", "core/download/a.ts", `import { P } from "#gen/pieza/v1/peer_pb.ts";`],
    ["core that imports Node", "core/base/hash.ts", `import { createHash } from "node:crypto";`],
    [
      "core that imports a server",
      "core/rpc/rpc.ts",
      `let x: import("../../server/http/guards/token.ts").T;`,
    ],
    ["a tracker that imports a peer", "server/tracker/tracker.ts", `import "../peer/peer.ts";`],
    ["a peer that imports a tracker", "server/peer/peer.ts", `import "../tracker/tracker.ts";`],
    [
      "Redis that imports the memory store",
      "server/tracker/store/redis/a.ts",
      `import "../memory/holder.ts";`,
    ],
    ["a command line inside a tracker", "server/cli/verbs/up.ts", `import "../../tracker/locate/turns.ts";`],
    ["a command line inside a peer", "server/cli/verbs/get.ts", `import "../../peer/stores/lock.ts";`],
    ["a server that imports the command line", "server/peer/peer.ts", `import "../cli/line/units.ts";`],
    ["a client that imports a listener", "server/http/client/a.ts", `import "../listening/server.ts";`],
    ["a guard that imports a handler", "server/http/guards/a.ts", `import "../handling/adapter.ts";`],
    ["a server that imports the page", "server/cli/main.ts", `import "../../web/src/main.ts";`],
    ["a page that imports gen/", "web/src/main.ts", `import { P } from "#gen/pieza/v1/peer_pb.ts";`],
    [
      "a page that imports a server",
      "web/src/App.svelte",
      `<script>import "../../server/peer/peer.ts"</script>`,
    ],
    ["a map that imports a download's card", "web/src/swarm/a.ts", `import "../downloads/save.ts";`],
    ["a worker from elsewhere", "web/src/main.ts", `new URL("../../server/w.ts", import.meta.url)`],
    ["a page that imports Node", "web/src/main.ts", `import fs from "node:fs";`],
    ["a file outside of the rooms", "server/x.ts", ""],
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
