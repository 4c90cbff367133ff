/**
 * What the tests need from the system: real browsers, servers and foreign clients to talk to. Installs what is missing
 * where it may (root on Debian or Ubuntu), else fails with the line to type.
 */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { isMain, runCommand } from "./run-command.ts";

/** A package of the system, and how to know that it is there. */
export interface SystemPackage {
  /** As Debian calls it. */
  readonly name: string;
  readonly isPresent: () => Promise<boolean>;
}

/** Whether a program stands at this path. */
export const isExecutable = (path: string): Promise<boolean> =>
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

/** A package that is there if a program of its own is on PATH. */
export const program = (name: string, file: string): SystemPackage => ({
  name,
  isPresent: () => isProgram(file),
});

/** What the tests need. */
const packages: readonly SystemPackage[] = [
  {
    // Where vitest.config.ts looks for it.
    name: "chromium",
    isPresent: () => isExecutable(process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium"),
  },
  program("curl", "curl"),
  {
    // Where test/support/page/firefox.ts looks for it.
    name: "firefox-esr",
    isPresent: () => isExecutable(process.env.PIEZA_TEST_FIREFOX ?? "/usr/bin/firefox-esr"),
  },
  program("git", "git"),
  program("iproute2", "ip"),
  program("nghttp2-client", "h2load"),
  { name: "nginx-light", isPresent: () => isExecutable("/usr/sbin/nginx") },
  program("openssl", "openssl"),
  program("redis-server", "redis-server"),
  {
    // The interpreter that Debian's packages are for, whatever python3 is first on PATH.
    name: "python3-grpcio",
    isPresent: async () => (await runCommand("/usr/bin/python3", ["-c", "import grpc"])).ok,
  },
];

async function missingOf(wanted: readonly SystemPackage[]): Promise<string[]> {
  const missing: string[] = [];
  for (const { name, isPresent } of wanted) if (!(await isPresent())) missing.push(name);
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

/** Installs what is missing where it may. Returns whether everything is there in the end; else it has said what to type. */
export async function ensurePackages(wanted: readonly SystemPackage[], whoNeeds: string): Promise<boolean> {
  const missing = await missingOf(wanted);
  if (missing.length === 0) return true;
  if (process.getuid?.() === 0 && (await isProgram("apt-get"))) {
    console.error(`Installing what ${whoNeeds} from the system: ${missing.join(" ")}`);
    if (await install(missing)) {
      const still = await missingOf(wanted);
      if (still.length === 0) return true;
    }
  }
  const line = `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  console.error(`Programs are missing that ${whoNeeds}. On Debian or Ubuntu, type:\n\n  ${line}\n`);
  return false;
}

/** The same for what the tests need. */
export function ensureSystemPackages(): Promise<boolean> {
  return ensurePackages(packages, "the tests need");
}

if (isMain(import.meta.filename)) process.exitCode = (await ensureSystemPackages()) ? 0 : 1;
