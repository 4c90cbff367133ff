import { InvalidField } from "../base/errors.ts";
import { type Hasher, isSha256Hex, sha256 } from "../base/hash.ts";
import { canonicalJson } from "./canonical-json.ts";
import type { Torrent } from "./torrent.ts";

/** The fields that identify a torrent. Trackers, comment and the like are not among them. */
export type TorrentIdentity = Pick<Torrent, "fileName" | "pieces" | "lengths" | "files">;

/**
 * The info hash: SHA-256 over the canonical JSON (RFC 8785) of `file_name` and the pieces' hashes in order, and of
 * `length`, `piece_length` and `files` if the torrent has them. 64 lowercase hex digits.
 */
export function infoHashOf(identity: TorrentIdentity, hasher: Hasher): Promise<string> {
  const { fileName, pieces, lengths, files } = identity;
  const text = canonicalJson({
    file_name: fileName,
    pieces,
    ...(lengths && { length: lengths.length, piece_length: lengths.pieceLength }),
    ...(files && { files: files.map(({ path, length }) => ({ path, length })) }),
  });
  return sha256(hasher, new TextEncoder().encode(text));
}

/** Checks an info hash from outside and returns it in lowercase. Throws InvalidField with `field`. */
export function parseInfoHash(text: unknown, field = "info_hash"): string {
  if (typeof text !== "string" || !isSha256Hex(text)) throw new InvalidField(field, "must be 64 hex digits");
  return text.toLowerCase();
}
