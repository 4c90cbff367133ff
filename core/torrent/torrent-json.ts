import { type Breathe, neverBreathe } from "../base/breathe.ts";
import { joinBytes } from "../base/bytes.ts";
import { InvalidField } from "../base/errors.ts";
import { checkFileName } from "../base/file-name.ts";
import type { Hasher } from "../base/hash.ts";
import { parseBitTorrent } from "./bittorrent.ts";
import { infoHashOf, parseInfoHash } from "./info-hash.ts";
import { asArray, asObject, asWholeNumber } from "./json-fields.ts";
import { checkJsonSize, parseJson, parseLongJson, tooLongJson } from "./json-text.ts";
import { MAX_PIECE_LENGTH, MAX_PIECES, MIN_PIECE_LENGTH, PieceGeometry } from "./piece.ts";
import type { Torrent, TorrentFile } from "./torrent.ts";
import { parseFiles } from "./torrent-files.ts";
import { parseRemarks } from "./torrent-remarks.ts";

/** UTF-8 bytes of a torrent's JSON that a catalog accepts in one message. */
export const MAX_TORRENT_JSON_BYTES = 16 << 20;
/** Pieces or files that are read or written between two breaths. */
const AT_ONCE = 512;
/** A text of so many characters is parsed in slices. */
const LONG_CHARS = 64 << 10;
/** SHA-256 of zero bytes: the only piece of an empty file. */
export const HASH_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** The exact JSON of a torrent on disk and at GET /files/<name>.json. An absent member is left out, never null. */
export interface TorrentJson {
  file_name: string;
  total_pieces: number;
  length?: number;
  piece_length?: number;
  info_hash: string;
  files?: { path: string; length: number }[];
  trackers?: string[];
  comment?: string;
  created_at?: string;
  replication_target?: number;
  bittorrent?: { piece_sha1: string };
  pieces: { number: number; hash: string }[];
}

/**
 * Makes a Torrent from parsed JSON; nothing else does. Checks every rule of the format and recomputes the info hash.
 * The legacy form (`file_name`, `total_pieces`, `pieces`) is enough; unknown members are ignored. Throws InvalidField
 * with the faulty place, as in `pieces[3].hash`.
 */
export async function parseTorrent(value: unknown, hasher: Hasher, breathe = neverBreathe): Promise<Torrent> {
  const json = asObject(value, "torrent");
  const fileName = checkFileName(json.file_name, "file_name");
  const pieces = await parsePieces(json, breathe);
  const lengths = parseLengths(json, pieces);
  const files = await parseFolder(json, lengths, breathe);
  const checked = {
    fileName,
    pieces,
    ...(lengths && { lengths }),
    ...(files && { files }),
    ...parseRemarks(json),
    ...(json.bittorrent !== undefined && { bittorrent: parseBitTorrent(json.bittorrent, pieces.length) }),
  };
  if (json.bittorrent !== undefined && !lengths)
    throw new InvalidField("bittorrent", "must come with length and piece_length");
  const infoHash = await infoHashOf(checked, hasher, breathe);
  if (json.info_hash !== undefined && parseInfoHash(json.info_hash) !== infoHash)
    throw new InvalidField("info_hash", `does not match the torrent, whose info hash is ${infoHash}`);
  return { ...checked, infoHash };
}

/** Parses a torrent file's text: JSON of at most 16 MiB. Throws InvalidField. */
export async function parseTorrentText(
  text: string,
  hasher: Hasher,
  breathe = neverBreathe,
): Promise<Torrent> {
  const json =
    text.length < LONG_CHARS
      ? parseJson(text, "torrent", MAX_TORRENT_JSON_BYTES)
      : await parseLongJson(text, "torrent", MAX_TORRENT_JSON_BYTES, breathe);
  return parseTorrent(json, hasher, breathe);
}

/** The hashes in order of piece number. The JSON list may have any order. */
async function parsePieces(json: Record<string, unknown>, breathe: Breathe): Promise<string[]> {
  const list = asArray(json.pieces, "pieces");
  if (list.length > MAX_PIECES) throw new InvalidField("pieces", `must be at most ${MAX_PIECES}`);
  const total = asWholeNumber(json.total_pieces, "total_pieces", 1, MAX_PIECES);
  if (list.length !== total)
    throw new InvalidField("total_pieces", `is ${total}, but pieces has ${list.length}`);
  const hashes: string[] = new Array(total);
  for (const [place, value] of list.entries()) {
    const field = `pieces[${place}]`;
    const piece = asObject(value, field);
    const number = asWholeNumber(piece.number, `${field}.number`, 1, total);
    if (hashes[number - 1] !== undefined)
      throw new InvalidField(`${field}.number`, `${number} is there twice`);
    hashes[number - 1] = parseInfoHash(piece.hash, `${field}.hash`);
    if (place % AT_ONCE === AT_ONCE - 1) await breathe();
  }
  return hashes;
}

function parseLengths(json: Record<string, unknown>, pieces: readonly string[]): Torrent["lengths"] {
  if (json.length === undefined && json.piece_length === undefined) return undefined;
  if (json.length === undefined) throw new InvalidField("length", "must come with piece_length");
  if (json.piece_length === undefined) throw new InvalidField("piece_length", "must come with length");
  const length = asWholeNumber(json.length, "length", 0, Number.MAX_SAFE_INTEGER);
  const pieceLength = checkPieceLength(json.piece_length);
  const { count } = new PieceGeometry(length, pieceLength);
  if (count !== pieces.length)
    throw new InvalidField("total_pieces", `is ${pieces.length}, but length and piece_length make ${count}`);
  if (length === 0 && pieces[0] !== HASH_OF_NOTHING)
    throw new InvalidField("pieces[0].hash", "must be the hash of no bytes, as length is 0");
  return { length, pieceLength };
}

/** Accepts a power of two from 16 KiB to 16 MiB. Throws InvalidField on `piece_length`. */
export function checkPieceLength(value: unknown): number {
  const pieceLength = asWholeNumber(value, "piece_length", MIN_PIECE_LENGTH, MAX_PIECE_LENGTH);
  if ((pieceLength & (pieceLength - 1)) !== 0)
    throw new InvalidField("piece_length", "must be a power of two");
  return pieceLength;
}

async function parseFolder(
  json: Record<string, unknown>,
  lengths: Torrent["lengths"],
  breathe: Breathe,
): Promise<TorrentFile[] | undefined> {
  if (json.files === undefined) return undefined;
  if (!lengths) throw new InvalidField("files", "must come with length and piece_length");
  return parseFiles(json.files, lengths.length, breathe);
}

/** The torrent as JSON. parseTorrent turns it back into the same torrent. */
export function torrentJson(torrent: Torrent): TorrentJson {
  const { lengths, files, trackers, comment, createdAt, replicationTarget, bittorrent } = torrent;
  return {
    file_name: torrent.fileName,
    total_pieces: torrent.pieces.length,
    ...(lengths && { length: lengths.length, piece_length: lengths.pieceLength }),
    info_hash: torrent.infoHash,
    ...(files && { files: files.map(({ path, length }) => ({ path, length })) }),
    ...(trackers.length > 0 && { trackers: [...trackers] }),
    ...(comment && { comment }),
    ...(createdAt && { created_at: createdAt }),
    ...(replicationTarget !== undefined && { replication_target: replicationTarget }),
    ...(bittorrent && { bittorrent: { piece_sha1: bittorrent.pieceSha1 } }),
    // Last, so that the first lines of the file describe the torrent.
    pieces: torrent.pieces.map((hash, index) => ({ number: index + 1, hash })),
  };
}

/** A torrent file's text: a line for each piece and file, a newline at the end. Throws InvalidField over 16 MiB. */
export function torrentText(torrent: Torrent): string {
  const text = [...textParts(torrent)].join("");
  checkJsonSize(text, "torrent", MAX_TORRENT_JSON_BYTES);
  return text;
}

/** The same in UTF-8, made in slices with breaths in between. */
export async function torrentBytes(torrent: Torrent, breathe: Breathe): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const text of textParts(torrent)) {
    const part = encoder.encode(text);
    parts.push(part);
    length += part.length;
    if (length > MAX_TORRENT_JSON_BYTES) throw tooLongJson("torrent", MAX_TORRENT_JSON_BYTES);
    await breathe();
  }
  return joinBytes(parts);
}

function* textParts(torrent: Torrent): Generator<string> {
  let text = "{";
  for (const [key, value] of Object.entries(torrentJson(torrent))) {
    text += `${text === "{" ? "" : ","}\n  ${JSON.stringify(key)}: `;
    if (!Array.isArray(value)) {
      text += JSON.stringify(value);
      continue;
    }
    for (let at = 0; at < value.length; at += AT_ONCE) {
      const some = value.slice(at, at + AT_ONCE).map((entry) => `    ${JSON.stringify(entry)}`);
      yield `${text}${at > 0 ? "," : "["}\n${some.join(",\n")}`;
      text = "";
    }
    text += value.length > 0 ? "\n  ]" : "[\n\n  ]";
  }
  yield `${text}\n}\n`;
}
