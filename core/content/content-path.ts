/** The path that every content URL begins with. */
const PREFIX = "/content/";

/** The parts of a content URL's path. */
export interface ContentPath {
  /** 64 lowercase hex digits. */
  readonly infoHash: string;
  /** The decoded names after the info hash: the torrent's file name, then for a folder the path inside it. */
  readonly names: readonly string[];
  /** The path ends in a slash, so it means a list. */
  readonly isList: boolean;
}

/**
 * Parses the path of a content URL, without its query: `/content/<info hash>/<file name>/<path>`. Undefined for any
 * other path. "malformed": a percent sign that encodes nothing. Names are decoded once and otherwise as sent, so `..`,
 * `%2F` and `%00` make names that no torrent has.
 */
export function parseContentPath(path: string): ContentPath | "malformed" | undefined {
  if (!path.startsWith(PREFIX)) return undefined;
  const [infoHash = "", ...encoded] = path.slice(PREFIX.length).split("/");
  if (!/^[0-9a-f]{64}$/i.test(infoHash)) return undefined;
  const isList = encoded.at(-1) === "";
  try {
    const names = (isList ? encoded.slice(0, -1) : encoded).map(decodeURIComponent);
    return { infoHash: infoHash.toLowerCase(), names, isList };
  } catch (error) {
    if (error instanceof URIError) return "malformed";
    throw error;
  }
}

/** The path of the content URL of a file or, with a slash at its end, of a folder: see parseContentPath. */
export function contentPath(infoHash: string, names: readonly string[], isList = false): string {
  const path = [infoHash, ...names.map(encodeURIComponent)].join("/");
  return `${PREFIX}${path}${isList ? "/" : ""}`;
}
