/**
 * `npm run build` makes the published package in dist/: the program, the built page, and the protos for clients in
 * other languages. The program and the packages that it uses are bundled into a few JavaScript files, which load in
 * half the time of the five hundred source files.
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build, type Rolldown } from "vite";
import { isMain, root, runCommand } from "./run-command.ts";

/** Files and folders that are copied unchanged. The page must have been built before. */
const copies = ["LICENSE", "README.md", "deploy", "docs", "proto", "web/dist", "fixtures"];

/**
 * Fields of package.json that users of the package do not need: its dependencies are in the bundle, and a Node of its
 * own, an optional dependency, is for checkouts.
 */
const notPublished = [
  "private",
  "imports",
  "scripts",
  "dependencies",
  "optionalDependencies",
  "devDependencies",
];

async function runOrThrow(command: string, ...args: string[]): Promise<void> {
  const { ok, output } = await runCommand(command, args);
  if (!ok) throw new Error(`${command} ${args.join(" ")}:\n${output}`);
}

/** Bundles the program into the folder of the command. It keeps the depth of its sources for its relative paths. */
async function bundle(dist: string): Promise<Rolldown.OutputChunk[]> {
  const built = await build({
    ...{ root, configFile: false, logLevel: "warn" },
    ssr: { noExternal: true },
    build: {
      ssr: "server/cli/main.ts",
      outDir: join(dist, "server/cli"),
      emptyOutDir: true,
      target: "node22",
      rolldownOptions: { output: { entryFileNames: "main.js", chunkFileNames: "[name]-[hash].js" } },
    },
  });
  const { output } = built as Rolldown.RolldownOutput;
  return output.filter((part) => part.type === "chunk");
}

/** Writes the command, which stays outside the bundle so that an old Node can read it. */
async function writeCommand(dist: string): Promise<void> {
  const command = await readFile(join(root, "server/cli/pieza.js"), "utf8");
  await writeFile(join(dist, "server/cli/pieza.js"), command.replace("./main.ts", "./main.js"), {
    mode: 0o755,
  });
}

/** Writes the licences of the bundled packages, which their terms require. */
async function writeLicences(dist: string, chunks: readonly Rolldown.OutputChunk[]): Promise<void> {
  const modules = chunks.flatMap(({ moduleIds }) => moduleIds);
  const folders = modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []);
  const texts = await Promise.all([...new Set(folders)].sort().map(licenceOf));
  await writeFile(join(dist, "THIRD-PARTY-LICENSES.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
}

async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? "" : await readFile(join(folder, file), "utf8");
  return `${name} ${version}: ${license}\n\n${text}`;
}

async function writePackageJson(dist: string): Promise<void> {
  const source = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const kept = Object.entries(source).filter(([key]) => !notPublished.includes(key));
  const published = {
    ...Object.fromEntries(kept),
    bin: { pieza: "server/cli/pieza.js" },
    files: ["server", "THIRD-PARTY-LICENSES.txt", ...copies],
  };
  await writeFile(join(dist, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}

/** Builds the package in the folder `dist` from scratch; `web/dist` must exist. */
export async function buildPackage(dist: string): Promise<void> {
  await rm(dist, { recursive: true, force: true });
  await mkdir(dist);
  await writeLicences(dist, await bundle(dist));
  await writeCommand(dist);
  for (const path of copies) await cp(join(root, path), join(dist, path), { recursive: true });
  await writePackageJson(dist);
}

if (isMain(import.meta.filename)) {
  await runOrThrow("vite", "build", "web");
  await buildPackage(join(root, "dist"));
  console.log("The package is in dist/. `npm pack ./dist` makes the file that `npm install -g` takes.");
}
