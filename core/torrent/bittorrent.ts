import { InvalidField } from "../base/errors.ts";
import { asObject, asText } from "./json-fields.ts";

/** What BitTorrent clients need of a torrent beside its own fields. It is no part of the torrent's identity. */
export interface BitTorrentFields {
  /** The SHA-1 of each piece by index, 20 bytes each, one behind the other, in base64. */
  readonly pieceSha1: string;
}

/** Bytes of one SHA-1. */
const SHA1_BYTES = 20;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Parses the member `bittorrent` of a torrent with this number of pieces. Checks only the form. Throws InvalidField. */
export function parseBitTorrent(value: unknown, pieces: number): BitTorrentFields {
  const json = asObject(value, "bittorrent");
  const field = "bittorrent.piece_sha1";
  const length = Math.ceil((pieces * SHA1_BYTES) / 3) * 4;
  const text = asText(json.piece_sha1, field, length);
  if (text.length !== length || !BASE64.test(text) || atob(text).length !== pieces * SHA1_BYTES)
    throw new InvalidField(field, `must be base64 of ${SHA1_BYTES} bytes for each of ${pieces} pieces`);
  return { pieceSha1: text };
}

/** The fields of the SHA-1 of each piece by index, in hex. */
export function bitTorrentOf(hashes: readonly string[]): BitTorrentFields {
  const bytes = hashes.map((hash) =>
    hash.replace(/../g, (hex) => String.fromCharCode(Number.parseInt(hex, 16))),
  );
  return { pieceSha1: btoa(bytes.join("")) };
}
