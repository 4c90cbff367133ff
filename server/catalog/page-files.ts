import { readdir, readFile } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { gzipSync } from "node:zlib";

/** What a built page is made of; anything else is not served. */
const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
};

/** Smaller than this, compression gains nothing that a packet would show. */
const MIN_GZIP_BYTES = 1_024;

export interface PageFile {
  readonly type: string;
  readonly bytes: Uint8Array;
  /** Absent where it would be no smaller. */
  readonly gzip: Uint8Array | undefined;
  /** Its name changes with its content, so it may be kept for ever. */
  readonly immutable: boolean;
}

/** URL path, as in "/assets/index-B1x2.js", to file; "/" is index.html. */
export type PageFiles = ReadonlyMap<string, PageFile>;

/**
 * Reads a built page into memory: it is less than a large piece, and neither a path from outside nor a build that
 * replaces the files can go wrong afterwards. Empty if there is no such directory.
 */
export async function readPageFiles(directory: string): Promise<PageFiles> {
  const page = new Map<string, PageFile>();
  for (const name of await namesIn(directory)) {
    const type = types[extname(name)];
    const path = `/${name.split(sep).join("/")}`;
    if (type) page.set(path, pageFile(path, type, await readFile(join(directory, name))));
  }
  const index = page.get("/index.html");
  if (index) page.set("/", index);
  return page;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    const found = await readdir(directory, { recursive: true, withFileTypes: true });
    return found
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(directory, sep).length));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function pageFile(path: string, type: string, bytes: Uint8Array): PageFile {
  const zipped = bytes.length < MIN_GZIP_BYTES ? undefined : gzipSync(bytes);
  const gzip = zipped && zipped.length < bytes.length ? zipped : undefined;
  // Vite names what it puts there after its content.
  return { type, bytes, gzip, immutable: path.startsWith("/assets/") };
}
