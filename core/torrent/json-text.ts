import type { Breathe } from "../base/breathe.ts";
import { isLongerThan } from "../base/bytes.ts";
import { InvalidField } from "../base/errors.ts";
import { checkJson, JsonCheck, type JsonProblem, MAX_BRACKETS, placeOf } from "./json-check.ts";

/**
 * Parses JSON from outside: at most `maxBytes` (whole MiB) of UTF-8, of bounded depth and number of objects, and with every key once in its
 * object. A byte order mark at the beginning is ignored. Throws InvalidField with `field`, which says where the
 * problem is, or what the text is instead.
 */
export function parseJson(given: string, field: string, maxBytes: number): unknown {
  checkJsonSize(given, field, maxBytes);
  const text = withoutMark(given);
  const problem = checkJson(text);
  if (problem) throw errorOf(problem, text, field);
  return JSON.parse(text);
}

/** The same in slices, with breaths in between. */
export async function parseLongJson(
  given: string,
  field: string,
  maxBytes: number,
  breathe: Breathe,
): Promise<unknown> {
  checkJsonSize(given, field, maxBytes);
  const text = withoutMark(given);
  const check = new JsonCheck(text);
  while (check.goesOn()) await breathe();
  if (check.problem) throw errorOf(check.problem, text, field);
  const rest: string[] = [];
  let at = 0;
  for (const { cuts } of check.longLists) {
    rest.push(text.slice(at, cuts[0]));
    at = cuts.at(-1)!;
  }
  const whole = JSON.parse([...rest, text.slice(at)].join("")) as Record<string, unknown[]>;
  for (const { key, cuts } of check.longLists) {
    await breathe();
    await fill(whole[key]!, text, cuts, breathe);
  }
  return whole;
}

/** Parses a list in the parts between its cuts. Each cut but the first and the last is a comma. */
async function fill(list: unknown[], text: string, cuts: readonly number[], breathe: Breathe): Promise<void> {
  for (let n = 1; n < cuts.length; n++) {
    const begin = cuts[n - 1]! + (n > 1 ? 1 : 0);
    for (const entry of JSON.parse(`[${text.slice(begin, cuts[n])}]`)) list.push(entry);
    await breathe();
  }
}

function withoutMark(text: string): string {
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

function errorOf({ kind, at }: JsonProblem, text: string, field: string): InvalidField {
  if (kind === "too-deep") return new InvalidField(field, "is nested too deeply");
  if (kind === "too-many")
    return new InvalidField(field, `must have at most ${MAX_BRACKETS} objects and lists`);
  const place = placeOf(text, at);
  if (kind === "duplicate-key") return new InvalidField(field, `has a key twice: ${place}`);
  return new InvalidField(field, otherKindOf(text) ?? `is not JSON: see ${place}`);
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
  if (isLongerThan(text, maxBytes)) throw tooLongJson(field, maxBytes);
}

export function tooLongJson(field: string, maxBytes: number): InvalidField {
  return new InvalidField(field, `must be at most ${maxBytes >> 20} MiB of JSON`);
}
