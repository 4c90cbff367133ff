import { neverBreathe } from "../base/breathe.ts";
import { InvalidField } from "../base/errors.ts";
import { type Hasher, isSha256Hex } from "../base/hash.ts";
import { type CanonicalValue, canonicalJson } from "./canonical-json.ts";
import type { Torrent } from "./torrent.ts";

/** Pieces or files that are hashed between two breaths. */
const AT_ONCE = 1_024;
const encoder = new TextEncoder();

/** The fields that identify a torrent. Trackers, comment and the like are not among them. */
export type TorrentIdentity = Pick<Torrent, "fileName" | "pieces" | "lengths" | "files">;

/**
 * The info hash: SHA-256 over the canonical JSON (RFC 8785) of `file_name` and the pieces' hashes in order, and of
 * `length`, `piece_length` and `files` if the torrent has them. 64 lowercase hex digits.
 */
export async function infoHashOf(
  identity: TorrentIdentity,
  hasher: Hasher,
  breathe = neverBreathe,
): Promise<string> {
  const { fileName, pieces, lengths, files } = identity;
  const state = hasher.create();
  // The members in the order of RFC 8785.
  let text = `{"file_name":${canonicalJson(fileName)}`;
  const add = async (list: readonly CanonicalValue[]) => {
    for (let at = 0; at < list.length; at += AT_ONCE) {
      text += `${at > 0 ? "," : ""}${canonicalJson(list.slice(at, at + AT_ONCE)).slice(1, -1)}`;
      if (at + AT_ONCE >= list.length) break;
      state.update(encoder.encode(text));
      text = "";
      await breathe();
    }
  };
  if (files) {
    text += ',"files":[';
    await add(files.map(({ path, length }) => ({ path, length })));
    text += "]";
  }
  if (lengths)
    text += canonicalJson({ length: lengths.length, piece_length: lengths.pieceLength }).replace(
      /^\{(.*)\}$/,
      ",$1",
    );
  text += ',"pieces":[';
  await add(pieces);
  state.update(encoder.encode(`${text}]}`));
  return state.digest();
}

/** Checks an info hash from outside and returns it in lowercase. Throws InvalidField with `field`. */
export function parseInfoHash(text: unknown, field = "info_hash"): string {
  if (typeof text !== "string" || !isSha256Hex(text)) throw new InvalidField(field, "must be 64 hex digits");
  return text.toLowerCase();
}
