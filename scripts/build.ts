/**
 * `npm run build`: the package as it is published, in dist/. JavaScript instead of TypeScript, the built page, the
 * protos for clients in other languages, and only the dependencies that run.
 */
import { cp, glob, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isMain, root, runCommand } from "./run-command.ts";

const dist = join(root, "dist");

/** Copied as they are. The page has to be built before. */
const copies = ["LICENSE", "README.md", "docs", "proto", "web/dist", "fixtures"];

/** What the checkout's package.json says and a user of the package does not need. */
const notPublished = ["private", "scripts", "optionalDependencies", "devDependencies"];

async function runOrThrow(command: string, ...args: string[]): Promise<void> {
  const { ok, output } = await runCommand(command, args);
  if (!ok) throw new Error(`${command} ${args.join(" ")}:\n${output}`);
}

/** The names of the packages that the built files import. */
async function importedPackages(): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const file of glob("{core,gen,server}/**/*.js", { cwd: dist })) {
    const code = await readFile(join(dist, file), "utf8");
    for (const [, name] of code.matchAll(/(?:from|import)\s*\(?\s*"((?:@[^/"]+\/)?[^./"#][^/"]*)/g))
      names.add(name!);
  }
  return names;
}

async function writePackageJson(): Promise<void> {
  const source = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const imported = await importedPackages();
  const kept = Object.entries(source).filter(([key]) => !notPublished.includes(key));
  const dependencies = Object.entries(source.dependencies).filter(([name]) => imported.has(name));
  const published = {
    ...Object.fromEntries(kept),
    imports: { "#core/*.ts": "./core/*.js", "#gen/*.ts": "./gen/*.js" },
    bin: { pieza: "server/cli/pieza.js" },
    dependencies: Object.fromEntries(dependencies),
  };
  await writeFile(join(dist, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}

/** Builds dist/ anew from the checkout; `web/dist` has to be there. */
export async function buildPackage(): Promise<void> {
  await rm(dist, { recursive: true, force: true });
  await mkdir(dist);
  await runOrThrow("tsc", "-p", "scripts/tsconfig.build.json");
  for (const path of copies) await cp(join(root, path), join(dist, path), { recursive: true });
  await writePackageJson();
}

if (isMain(import.meta.filename)) {
  await runOrThrow("vite", "build", "web");
  await buildPackage();
  console.log("The package is in dist/; publish it from there.");
}
