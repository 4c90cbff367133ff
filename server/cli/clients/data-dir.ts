import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The absolute path of the folder with all state: --data, else the user's folder for application data. */
export function dataDir(flags: { data?: string | undefined }): string {
  return flags.data === undefined ? defaultDataDir(process.platform, process.env) : resolve(flags.data);
}

function defaultDataDir(platform: NodeJS.Platform, environment: NodeJS.ProcessEnv): string {
  if (platform === "win32") {
    return join(environment.LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "pieza");
  }
  if (platform === "darwin") return join(homedir(), "Library", "Application Support", "pieza");
  // The XDG Base Directory Specification says to ignore a relative path.
  const xdg = environment.XDG_DATA_HOME;
  return join(xdg?.startsWith("/") ? xdg : join(homedir(), ".local", "share"), "pieza");
}

/** The folder of one server. Role and port name it, so that several servers of one user do not share state. */
export function serverDir(
  flags: { data?: string | undefined },
  role: "catalog" | "peer",
  port: number,
): string {
  return join(dataDir(flags), `${role}-${port}`);
}
