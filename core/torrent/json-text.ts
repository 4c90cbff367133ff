import { isLongerThan } from "../base/bytes.ts";
import { InvalidField } from "../base/errors.ts";
import { checkJson, MAX_BRACKETS, placeOf } from "./json-check.ts";

/**
 * Parses JSON from outside: at most `maxBytes` (whole MiB) of UTF-8, of bounded depth and number of objects, and with every key once in its
 * object. A byte order mark at the beginning is ignored. Throws InvalidField with `field`, which says where the
 * problem is, or what the text is instead.
 */
export function parseJson(given: string, field: string, maxBytes: number): unknown {
  checkJsonSize(given, field, maxBytes);
  const text = given.startsWith("\ufeff") ? given.slice(1) : given;
  const problem = checkJson(text);
  if (!problem) return JSON.parse(text);
  const place = placeOf(text, problem.at);
  if (problem.kind === "too-deep") throw new InvalidField(field, "is nested too deeply");
  if (problem.kind === "duplicate-key") throw new InvalidField(field, `has a key twice: ${place}`);
  if (problem.kind === "too-many")
    throw new InvalidField(field, `must have at most ${MAX_BRACKETS} objects and lists`);
  throw new InvalidField(field, otherKindOf(text) ?? `is not JSON: see ${place}`);
}

/** What people take for a torrent's JSON by mistake. Undefined for anything else. */
function otherKindOf(text: string): string | undefined {
  if (/^\s*$/.test(text)) return "is empty";
  if (/^\s*</.test(text)) return "is a web page, not JSON";
  // Bencode: a dictionary whose first key has a length.
  if (/^d\d+:/.test(text))
    return "is a .torrent file of BitTorrent; Pieza takes only its own torrents, in JSON";
  if (/^\s*magnet:/i.test(text))
    return "is a magnet link of BitTorrent; Pieza takes only its own torrents, in JSON";
  return undefined;
}

/** Throws InvalidField if the text takes more than `maxBytes` (whole MiB) of UTF-8. */
export function checkJsonSize(text: string, field: string, maxBytes: number): void {
  if (isLongerThan(text, maxBytes))
    throw new InvalidField(field, `must be at most ${maxBytes >> 20} MiB of JSON`);
}
