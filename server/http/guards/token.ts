import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { constants, copyFile, link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PiezaError } from "#core/base/errors.ts";
import type { Authority } from "./policy.ts";

export interface ServerToken {
  readonly token: string;
  /** The file that keeps it. */
  readonly path: string;
  /** It was made just now, so the person has not seen it. */
  readonly made: boolean;
}

/** The token of a server that was given none: kept in `dataDir/token` (0600), made at the first start. */
export async function loadOrMakeToken(dataDir: string): Promise<ServerToken> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, "token");
  const known = await keptToken(path);
  if (known !== undefined) return { token: known, path, made: false };
  const token = randomBytes(24).toString("base64url");
  const fresh = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(fresh, `${token}\n`, { mode: 0o600, flag: "wx" });
  try {
    // Of servers that start at once, one's becomes the token, and whole: a file that is made here is empty at first.
    await link(fresh, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") throw error;
      // Some file systems have no links.
      return copyFile(fresh, path, constants.COPYFILE_EXCL);
    });
    return { token, path, made: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return { token: (await keptToken(path)) ?? token, path, made: false };
  } finally {
    await rm(fresh, { force: true });
  }
}

/** Undefined if there is no such file. */
async function keptToken(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  const token = text?.trim();
  if (token === "") throw new PiezaError("failed_precondition", `the token file ${path} is empty`);
  return token;
}

/** Whether both are the same, in a time that does not tell where they differ. */
export function checkToken(expected: string, given: string | undefined): boolean {
  if (given === undefined || expected === "") return false;
  return timingSafeEqual(digest(expected), digest(given));
}

/** Lets calls pass that carry this token. Undefined: every call passes, because the operator opened the server to all. */
export function tokenAuthority(expected: string | undefined): Authority | undefined {
  if (expected === undefined) return undefined;
  return ({ token }) => requireToken(expected, token);
}

function requireToken(expected: string, given: string | undefined): void {
  if (given === undefined) throw new PiezaError("unauthenticated", "this call needs the server's token");
  if (!checkToken(expected, given))
    throw new PiezaError("permission_denied", "the token is not this server's");
}

/**
 * Keeps the token for one origin ("http://127.0.0.1:8080"), so that this user's other programs send it there and
 * nowhere else. One file an origin (0600): servers that start together do not overwrite each other.
 */
export async function rememberToken(dataDir: string, url: string, token: string): Promise<void> {
  const path = originPath(dataDir, url);
  await mkdir(join(dataDir, "tokens"), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(fresh, `${token}\n`, { mode: 0o600, flag: "wx" });
  await rename(fresh, path);
}

/** The token kept for the URL's origin, or undefined. */
export async function tokenFor(dataDir: string, url: string): Promise<string | undefined> {
  try {
    return (await readFile(originPath(dataDir, url), "utf8")).trim() || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function originPath(dataDir: string, url: string): string {
  return join(dataDir, "tokens", encodeURIComponent(new URL(url).origin));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
