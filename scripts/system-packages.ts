/**
 * What the tests need from the system: real browsers, servers and foreign clients to talk to. Installs what is missing
 * where it may (root on Debian or Ubuntu), else fails with the line to type.
 */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { isMain, runCommand } from "./run-command.ts";

interface SystemPackage {
  /** As Debian calls it. */
  readonly name: string;
  readonly isPresent: () => Promise<boolean>;
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

async function isProgram(program: string): Promise<boolean> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    if (await isExecutable(join(folder, program))) return true;
  }
  return false;
}

const program = (name: string, file: string): SystemPackage => ({ name, isPresent: () => isProgram(file) });

const packages: readonly SystemPackage[] = [
  {
    // Where vitest.config.ts looks for it.
    name: "chromium",
    isPresent: () => isExecutable(process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium"),
  },
  program("curl", "curl"),
  program("git", "git"),
  program("nghttp2-client", "h2load"),
  {
    // The interpreter that Debian's packages are for, whatever python3 is first on PATH.
    name: "python3-grpcio",
    isPresent: async () => (await runCommand("/usr/bin/python3", ["-c", "import grpc"])).ok,
  },
];

async function missingPackages(): Promise<string[]> {
  const missing: string[] = [];
  for (const { name, isPresent } of packages) if (!(await isPresent())) missing.push(name);
  return missing;
}

/** apt-get install, and once more after apt-get update: the lists of a fresh machine are empty or old. */
async function install(names: readonly string[]): Promise<boolean> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const installOnce = () =>
    runCommand("apt-get", ["install", "-y", "--no-install-recommends", ...names], { env });
  if ((await installOnce()).ok) return true;
  await runCommand("apt-get", ["update"], { env, show: true });
  const { ok, output } = await installOnce();
  if (!ok) console.error(output);
  return ok;
}

/** Returns whether everything is there in the end. */
export async function ensureSystemPackages(): Promise<boolean> {
  const missing = await missingPackages();
  if (missing.length === 0) return true;
  if (process.getuid?.() === 0 && (await isProgram("apt-get"))) {
    console.log(`Installing what the tests need from the system: ${missing.join(" ")}`);
    if (await install(missing)) {
      const still = await missingPackages();
      if (still.length === 0) return true;
    }
  }
  console.error(
    `The tests need programs that this system lacks. On Debian or Ubuntu, type:\n\n` +
      `  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing.join(" ")}\n`,
  );
  return false;
}

if (isMain(import.meta.filename)) process.exitCode = (await ensureSystemPackages()) ? 0 : 1;
