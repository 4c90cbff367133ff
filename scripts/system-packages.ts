/**
 * System packages that the tests need: browsers, servers and clients of other projects. Installs missing ones if it
 * is root on Debian or Ubuntu, else prints the command to type and fails.
 */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { isMain, runCommand } from "./run-command.ts";

/** A system package and the check that it is installed. */
export interface SystemPackage {
  /** The name in Debian. */
  readonly name: string;
  readonly isPresent: () => Promise<boolean>;
}

/** Whether there is an executable file at this path. */
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

/** A package that is installed if `file` is on PATH. */
export const program = (name: string, file: string): SystemPackage => ({
  name,
  isPresent: () => isProgram(file),
});

const packages: readonly SystemPackage[] = [
  { name: "aardvark-dns", isPresent: () => isExecutable("/usr/lib/podman/aardvark-dns") },
  program("aria2", "aria2c"),
  {
    // The path in vitest.config.ts.
    name: "chromium",
    isPresent: () => isExecutable(process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium"),
  },
  program("curl", "curl"),
  {
    // The path in test/support/page/firefox.ts.
    name: "firefox-esr",
    isPresent: () => isExecutable(process.env.PIEZA_TEST_FIREFOX ?? "/usr/bin/firefox-esr"),
  },
  program("ffmpeg", "ffmpeg"),
  program("git", "git"),
  program("iproute2", "ip"),
  program("iptables", "iptables"),
  program("mmdebstrap", "mmdebstrap"),
  { name: "netavark", isPresent: () => isExecutable("/usr/lib/podman/netavark") },
  program("nghttp2-client", "h2load"),
  { name: "nginx-light", isPresent: () => isExecutable("/usr/sbin/nginx") },
  program("openssl", "openssl"),
  program("p7zip-full", "7z"),
  program("podman", "podman"),
  program("podman-compose", "podman-compose"),
  program("rclone", "rclone"),
  program("redis-server", "redis-server"),
  program("unzip", "unzip"),
  {
    // Debian's packages belong to this interpreter; another python3 may come first on PATH.
    name: "python3-grpcio",
    isPresent: async () => (await runCommand("/usr/bin/python3", ["-c", "import grpc"])).ok,
  },
  program("runc", "runc"),
  program("systemd-container", "systemd-nspawn"),
  program("wget", "wget"),
];

async function missingOf(wanted: readonly SystemPackage[]): Promise<string[]> {
  const missing: string[] = [];
  for (const { name, isPresent } of wanted) if (!(await isPresent())) missing.push(name);
  return missing;
}

/** Runs apt-get install, and again after apt-get update, because a new machine's package lists are empty or old. */
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

/**
 * Installs missing packages if it can, else prints the command to type. Returns whether all are installed. `need` is
 * the end of a sentence, such as "the tests need".
 */
export async function ensurePackages(wanted: readonly SystemPackage[], need: string): Promise<boolean> {
  const missing = await missingOf(wanted);
  if (missing.length === 0) return true;
  if (process.getuid?.() === 0 && (await isProgram("apt-get"))) {
    console.error(`Installing system packages that ${need}: ${missing.join(" ")}`);
    if (await install(missing)) {
      const still = await missingOf(wanted);
      if (still.length === 0) return true;
    }
  }
  const line = `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  console.error(`System packages that ${need} are missing. On Debian or Ubuntu, type:\n\n  ${line}\n`);
  return false;
}

/** Like ensurePackages, for the packages of the tests. */
export function ensureSystemPackages(): Promise<boolean> {
  return ensurePackages(packages, "the tests need");
}

if (isMain(import.meta.filename)) process.exitCode = (await ensureSystemPackages()) ? 0 : 1;
