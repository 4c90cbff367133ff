import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { constants, copyFile, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PiezaError } from "#core/base/errors.ts";
import { replaceFile } from "../../base/replace-file.ts";
import type { Authority } from "./policy.ts";

export interface ServerToken {
  readonly token: string;
  /** The file that holds it. */
  readonly path: string;
  /** Whether it was made now, so that its owner has to be shown it. */
  readonly made: boolean;
}

/**
 * Reads the token of a server that was given none from `dataDir/token` (mode 0600), or makes it at the first start.
 * Throws PiezaError("failed_precondition") if the file is empty, and the system's error if it cannot be read or
 * written.
 */
export async function loadOrMakeToken(dataDir: string): Promise<ServerToken> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, "token");
  const known = await keptToken(path);
  if (known !== undefined) return { token: known, path, made: false };
  const token = randomBytes(24).toString("base64url");
  const fresh = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(fresh, `${token}\n`, { mode: 0o600, flag: "wx" });
  try {
    // Of servers that start at once only one can link its file, which is complete. A file created at `path` would be
    // empty at first, and another server could read it so.
    await link(fresh, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") throw error;
      // Some file systems have no hard links.
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

async function keptToken(path: string): Promise<string | undefined> {
  const token = await readTrimmed(path);
  if (token === "") {
    throw new PiezaError(
      "failed_precondition",
      `the token file ${path} is empty; delete it to get a new token`,
    );
  }
  return token;
}

/** The text of a file without white space around it. Undefined if there is no such file. */
async function readTrimmed(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return text?.trim();
}

/** Whether the two tokens are equal, in a time that does not tell where they differ. */
export function checkToken(expected: string, given: string | undefined): boolean {
  if (given === undefined || expected === "") return false;
  return timingSafeEqual(digest(expected), digest(given));
}

/** Lets calls pass that carry this token. Undefined: every call passes, as the operator wants. */
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
 * Stores the token for one origin ("http://127.0.0.1:8080"), so that this user's other programs send it to that
 * origin only. Each origin has its own file (mode 0600), so that servers that start together do not overwrite each
 * other.
 */
export async function rememberToken(dataDir: string, url: string, token: string): Promise<void> {
  await replaceFile(originPath(dataDir, url), `${token}\n`, 0o600);
}

/** The token stored for the URL's origin. Undefined if there is none. */
export async function tokenFor(dataDir: string, url: string): Promise<string | undefined> {
  return (await readTrimmed(originPath(dataDir, url))) || undefined;
}

function originPath(dataDir: string, url: string): string {
  return join(dataDir, "tokens", encodeURIComponent(new URL(url).origin));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
