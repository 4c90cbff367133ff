import { isLongerThan } from "../base/bytes.ts";
import { InvalidField } from "../base/errors.ts";

/** No file of ours nests deeper. JSON.parse takes about 50 bytes of memory a level. */
const MAX_DEPTH = 32;

/** A torrent with the most pieces and files has fewer objects and lists. An empty one takes 50 bytes of memory. */
const MAX_BRACKETS = 1 << 20;

/**
 * Parses JSON from outside: at most `maxBytes` (whole MiB) of UTF-8, and of bounded depth and number of objects,
 * because a text of brackets alone would take many times its size in memory. Throws InvalidField with `field`.
 */
export function parseJson(text: string, field: string, maxBytes: number): unknown {
  checkJsonSize(text, field, maxBytes);
  const { deepest, opened } = bracketsOf(text);
  if (deepest > MAX_DEPTH) throw new InvalidField(field, "is nested too deeply");
  if (opened > MAX_BRACKETS)
    throw new InvalidField(field, `must have at most ${MAX_BRACKETS} objects and lists`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidField(field, "is not JSON", { cause });
  }
}

/** Throws InvalidField if the text takes more than `maxBytes` (whole MiB) of UTF-8. */
export function checkJsonSize(text: string, field: string, maxBytes: number): void {
  if (isLongerThan(text, maxBytes))
    throw new InvalidField(field, `must be at most ${maxBytes >> 20} MiB of JSON`);
}

/** The deepest nesting and the number of brackets outside strings; exact for JSON, harmless for anything else. */
function bracketsOf(text: string): { deepest: number; opened: number } {
  let deepest = 0;
  let opened = 0;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') inString = !inString;
    else if (inString && char === "\\") at++;
    else if (!inString && (char === "[" || char === "{")) {
      opened++;
      deepest = Math.max(deepest, ++depth);
    } else if (!inString && (char === "]" || char === "}")) depth--;
  }
  return { deepest, opened };
}
