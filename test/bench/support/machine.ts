import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { root } from "../../../scripts/run-command.ts";

/** What a reader needs to know of the machine, in lines; `folder` is where the files of the bench are. */
export function machineLines(folder: string): string[] {
  const [cpu] = cpus();
  const congestion = read("/proc/sys/net/ipv4/tcp_congestion_control").trim();
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  return [
    `${new Date().toISOString().slice(0, 16)}Z, pieza at ${revision()}, Node ${process.version}`,
    `${cpus().length} x ${cpu?.model.trim()}, ${memoryGiB} GiB, ${fileSystemOf(folder)}, ${systemName()}, ` +
      `Linux ${release()}, TCP ${congestion}; load before: ${loadavg()[0]!.toFixed(1)}`,
  ];
}

/** The first line that a program says of its version, wherever it prints it. */
export function versionOf(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return `${stdout ?? ""}${stderr ?? ""}`.trim().split("\n")[0] ?? "";
}

function revision(): string {
  try {
    const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
    const changed = git("status", "--porcelain", "--untracked-files=no", "--", "core", "server") !== "";
    return `${git("rev-parse", "--short", "HEAD")}${changed ? " with changes" : ""}`;
  } catch {
    return "no git revision";
  }
}

function systemName(): string {
  return /^PRETTY_NAME="(.*)"$/m.exec(read("/etc/os-release"))?.[1] ?? process.platform;
}

function fileSystemOf(folder: string): string {
  return versionOf("findmnt", "-n", "-o", "FSTYPE", "-T", folder);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
