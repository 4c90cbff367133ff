import { globSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** Source text by path from the checkout's top, with slashes. */
export type SourceTree = ReadonlyMap<string, string>;

/** Reads what matches, generated and installed files left out. */
export function readSources(...patterns: string[]): SourceTree {
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  const paths = globSync(patterns, { cwd, exclude: (name) => name === "node_modules" || name === "dist" });
  return new Map(
    paths.sort().map((path) => [path.replaceAll("\\", "/"), readFileSync(posix.join(cwd, path), "utf8")]),
  );
}

/** The parsed TypeScript of a file; of a Svelte component, its script blocks. */
export function parse(path: string, source: string): ts.SourceFile {
  const code = path.endsWith(".svelte") ? scriptsOf(source) : source;
  return ts.createSourceFile(path, code, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
}

function scriptsOf(source: string): string {
  return [...source.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map(([, code]) => code).join("\n");
}

/**
 * What a file names in its imports and re-exports, types and workers (`new URL("./x.ts", import.meta.url)`) included: a
 * path from the top for files of ours, else the name as written.
 */
export function importsOf(path: string, source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const name = importedName(node);
    if (name !== undefined) found.push(resolve(path, name));
    ts.forEachChild(node, visit);
  };
  visit(parse(path, source));
  return found;
}

function importedName(node: ts.Node): string | undefined {
  let name: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) name = node.moduleSpecifier;
  else if (ts.isImportTypeNode(node))
    name = ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    name = node.arguments[0];
  else if (ts.isNewExpression(node) && node.arguments?.[1]?.getText() === "import.meta.url")
    name = node.arguments[0];
  return name && ts.isStringLiteralLike(name) ? name.text : undefined;
}

function resolve(path: string, name: string): string {
  const bare = name.replace(/\?.*$/, "");
  if (bare.startsWith("#")) return bare.slice(1);
  return bare.startsWith(".") ? posix.join(posix.dirname(path), bare) : bare;
}
