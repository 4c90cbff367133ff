import { PiezaError } from "../base/errors.ts";
import type { Torrent } from "../torrent/torrent.ts";
import { HASH_OF_NOTHING } from "../torrent/torrent-json.ts";
import { contentPath } from "./content-path.ts";

/** The most URLs in one Metalink. A folder of more files than this has one gateway's URL for each. */
const MAX_URLS = 65_536;
/** Code points that XML cannot have, of those that a file name may have. */
const NOT_XML = /[\uFFFE\uFFFF]/;

/** One file of a Metalink. */
interface LinkedFile {
  /** The torrent's file name, then for a folder the path inside it. */
  readonly names: readonly string[];
  /** Bytes. */
  readonly length: number;
  /** The SHA-256 of the torrent's pieces, if this file begins and ends with one of them. */
  readonly pieces: readonly string[] | undefined;
}

/** Why a torrent cannot be had as a Metalink or as another program's torrent. Undefined if it can. */
export function noContentUrls({ lengths }: Torrent, gateways: readonly string[]): string | undefined {
  if (gateways.length === 0)
    return "this catalog names no gateway, so it knows no URL of the content; start it with --gateway URL";
  if (!lengths) return "this torrent does not tell its length, so its content has no URL; create it anew";
  return undefined;
}

/**
 * The torrent as a Metalink (RFC 5854), whose URLs are the content URLs of `gateways`. Every file has its size. It has
 * the SHA-256 of its pieces if no piece of it has bytes of another file, and its own SHA-256 if it is one piece. Throws
 * not_found if there can be no Metalink.
 */
export function metalinkText(torrent: Torrent, gateways: readonly string[]): string {
  const problem = noContentUrls(torrent, gateways);
  if (problem) throw new PiezaError("not_found", problem);
  const files = linkedFiles(torrent);
  const named = gateways.slice(0, Math.max(1, Math.floor(MAX_URLS / files.length)));
  const { createdAt } = torrent;
  return `<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
${createdAt ? `<published>${escapeXml(createdAt)}</published>\n` : ""}${files
  .map((file) => fileElement(torrent, file, named))
  .join("")}</metalink>
`;
}

function fileElement(torrent: Torrent, { names, length, pieces }: LinkedFile, gateways: readonly string[]) {
  const name = names.join("/");
  if (NOT_XML.test(name))
    throw new PiezaError("not_found", "a file's name has a character that a Metalink cannot have");
  const path = contentPath(torrent.infoHash, names);
  const urls = gateways.map((url) => `<url>${escapeXml(`${url}${path}`)}</url>\n`);
  return `<file name="${escapeXml(name)}">
<size>${length}</size>
${hashElements(torrent, pieces)}${urls.join("")}</file>
`;
}

function hashElements({ lengths }: Torrent, pieces: readonly string[] | undefined): string {
  if (!pieces) return "";
  if (pieces.length === 1) return `<hash type="sha-256">${pieces[0]}</hash>\n`;
  const hashes = pieces.map((hash) => `<hash>${hash}</hash>\n`);
  return `<pieces type="sha-256" length="${lengths!.pieceLength}">\n${hashes.join("")}</pieces>\n`;
}

function linkedFiles(torrent: Torrent): LinkedFile[] {
  const { fileName, files, lengths } = torrent;
  if (!files) return [{ names: [fileName], length: lengths!.length, pieces: torrent.pieces }];
  let offset = 0;
  return files.map(({ path, length }) => {
    const pieces = piecesOf(torrent, offset, length);
    offset += length;
    return { names: [fileName, ...path.split("/")], length, pieces };
  });
}

/** The pieces of which these bytes consist, if they begin and end with a piece. */
function piecesOf({ lengths, pieces }: Torrent, offset: number, length: number) {
  const { pieceLength, length: total } = lengths!;
  if (length === 0) return [HASH_OF_NOTHING];
  const end = offset + length;
  if (offset % pieceLength !== 0 || (end % pieceLength !== 0 && end !== total)) return undefined;
  return pieces.slice(offset / pieceLength, Math.ceil(end / pieceLength));
}

/**
 * The text in XML, in an element or in double quotes. Only what has to be escaped is: aria2 does not read references in
 * names of files.
 */
function escapeXml(text: string): string {
  return text.replace(/[&<"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
