import { stat } from "node:fs/promises";
import { InvalidField, messageOf, PiezaError } from "#core/base/errors.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { MAX_TORRENT_JSON_BYTES, parseTorrentText } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { UsageError } from "../line/exit-code.ts";
import type { ClientFlags } from "./client-flags.ts";
import { askWhereItMoved } from "./moved.ts";
import { isPage, outOfReach, PAGE_ADVICE } from "./out-of-reach.ts";
import { plainTorrent } from "./plain-catalog.ts";
import { readTextFile } from "./read-text-file.ts";

/** A torrent and the catalog that goes with it. */
export interface FoundTorrent {
  readonly torrent: Torrent;
  /** The catalog that the torrent came from; for a torrent file, the catalog of --catalog. */
  readonly catalogUrl: string;
  /** The server that sent the torrent; undefined for a torrent file. */
  readonly from?: string | undefined;
}

const MAGNET =
  "this is a magnet link of BitTorrent; Pieza takes its own torrents: a name in the catalog, an info hash, a torrent file or its URL";

type CatalogKey = Parameters<Catalog["get"]>[0];

export type SourceFlags = ClientFlags & { readonly catalog: string };

/**
 * The torrent that the user means by `text`: the file at that path, the URL of a torrent's JSON or of its page, an
 * info hash, or a name in the catalog. Code that talks to servers is loaded only when a server is asked. Fails with
 * UsageError for a file that is not a torrent, and with PiezaError.
 */
export async function findTorrent(
  text: string,
  flags: SourceFlags,
  signal: AbortSignal,
): Promise<FoundTorrent> {
  if (await isFile(text)) return fileOrName(text, flags, signal);
  if (/^https?:\/\//i.test(text)) return torrentAt(text, flags, signal);
  if (/^magnet:/i.test(text)) throw new UsageError(MAGNET);
  return torrentNamed(keyOf(text), flags.catalog, flags, signal);
}

/** A torrent file takes precedence over a name in the catalog. Another file may be a download of that name. */
async function fileOrName(text: string, flags: SourceFlags, signal: AbortSignal): Promise<FoundTorrent> {
  try {
    return { torrent: await readTorrentFile(text), catalogUrl: flags.catalog };
  } catch (cause) {
    if (!(cause instanceof UsageError) || /\.json$|[/\\]/.test(text)) throw cause;
    // What cannot be read may be a torrent, and what is one of BitTorrent is none of the catalog.
    if ((cause.cause as NodeJS.ErrnoException).syscall || /\bBitTorrent\b/.test(cause.message)) throw cause;
    return torrentNamed(keyOf(text), flags.catalog, flags, signal).catch((problem) => {
      signal.throwIfAborted();
      const both = `the file ${text} is not a torrent, and as a name in the catalog: ${messageOf(problem)}`;
      throw new UsageError(both, { cause });
    });
  }
}

/** Reads a torrent's JSON file. Fails with UsageError that names the file and the wrong field. */
export async function readTorrentFile(path: string): Promise<Torrent> {
  const text = await readTextFile(path, MAX_TORRENT_JSON_BYTES);
  try {
    return await parseTorrentText(text, nodeHasher);
  } catch (cause) {
    if (!(cause instanceof InvalidField)) throw cause;
    throw new UsageError(notTorrent(path, cause), { cause });
  }
}

/** The torrent that the catalog has under a name (`.json` allowed) or an info hash. Fails with PiezaError. */
export async function torrentNamed(
  key: CatalogKey,
  catalogUrl: string,
  flags: ClientFlags,
  signal: AbortSignal,
): Promise<FoundTorrent> {
  return askWhereItMoved(catalogUrl, flags, signal, async (url, its) => {
    const torrent = await plainTorrent(url, key, signal).catch((error) => {
      throw outOfReach(error, `catalog at ${url}`);
    });
    if (torrent) return { torrent, catalogUrl: url, from: url };
    const { callCatalog } = await import("./clients.ts");
    const answer = await callCatalog(url, its, (catalog) => catalog.get(key, signal));
    return { torrent: answer.torrent, catalogUrl: url, from: url };
  });
}

async function torrentAt(text: string, flags: SourceFlags, signal: AbortSignal): Promise<FoundTorrent> {
  if (!URL.canParse(text)) throw new UsageError(`${text} is no URL`);
  const url = new URL(text);
  const key = /^#\/t\/(.+)$/.exec(url.hash)?.[1];
  if (key !== undefined) return torrentNamed(keyOf(decoded(key)), url.origin, flags, signal);
  const { getTextFrom } = await import("./http-get.ts");
  const options = { ca: flags.ca, maxBytes: MAX_TORRENT_JSON_BYTES, signal };
  const { text: json, url: last } = await getTextFrom(url.href, options);
  try {
    const from = new URL(last).origin;
    return { torrent: await parseTorrentText(json, nodeHasher), catalogUrl: url.origin, from };
  } catch (cause) {
    if (!(cause instanceof InvalidField)) throw cause;
    const advice = isPage(json) ? `; ${PAGE_ADVICE}` : "";
    throw new PiezaError("invalid_argument", `${notTorrent(text, cause)}${advice}`, { cause });
  }
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch (cause) {
    throw new UsageError(`${key} in the link is not percent-encoded`, { cause });
  }
}

/** "x.json is not JSON: see line 3", or "x.json is not a torrent: pieces[3].hash: must be 64 hex digits". */
function notTorrent(source: string, { field, message }: InvalidField): string {
  return field === "torrent"
    ? `${source} ${message.slice("torrent: ".length)}`
    : `${source} is not a torrent: ${message}`;
}

function keyOf(text: string): CatalogKey {
  return isSha256Hex(text) ? { infoHash: text } : { name: text };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
