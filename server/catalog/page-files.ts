import { readdir, readFile } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { gzipSync } from "node:zlib";

/** The media types of a built page's files. Other files are not served. */
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

/** A smaller file fits into one packet without compression. */
const MIN_GZIP_BYTES = 1_024;

export interface PageFile {
  readonly type: string;
  readonly bytes: Uint8Array;
  /** The compressed bytes; undefined if they would not be fewer. */
  readonly gzip: Uint8Array | undefined;
  /** Whether the name changes with the content, so that browsers may cache the file for ever. */
  readonly immutable: boolean;
}

/** Files by URL path, such as "/assets/index-B1x2.js"; "/" is index.html. */
export type PageFiles = ReadonlyMap<string, PageFile>;

/**
 * Reads a built page into memory; the result is empty if there is no such directory. The page is smaller than a large
 * piece, and from memory neither a path in a request nor a new build can cause a wrong answer.
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
  // Vite puts a hash of the content into the names of these files.
  return { type, bytes, gzip, immutable: path.startsWith("/assets/") };
}
