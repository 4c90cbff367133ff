import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where everything is kept: --data, else the user's folder for application data on this system. */
export function dataDir(flags: { data?: string | undefined }): string {
  return flags.data === undefined ? defaultDataDir(process.platform, process.env) : resolve(flags.data);
}

export function defaultDataDir(platform: NodeJS.Platform, environment: NodeJS.ProcessEnv): string {
  if (platform === "win32") {
    return join(environment.LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "pieza");
  }
  if (platform === "darwin") return join(homedir(), "Library", "Application Support", "pieza");
  // The XDG rules ignore a path that is not absolute.
  const xdg = environment.XDG_DATA_HOME;
  return join(xdg?.startsWith("/") ? xdg : join(homedir(), ".local", "share"), "pieza");
}

/** The folder of one server: by role and port, so that many servers of one user do not share their state. */
export function serverDir(
  flags: { data?: string | undefined },
  role: "catalog" | "peer",
  port: number,
): string {
  return join(dataDir(flags), `${role}-${port}`);
}
