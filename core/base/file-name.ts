import { isLongerThan } from "./bytes.ts";
import { InvalidField } from "./errors.ts";

/** Bytes of UTF-8 that ext4, APFS and NTFS (there in UTF-16 units) all accept as one name. */
export const MAX_NAME_BYTES = 255;
/** Bytes of UTF-8 of a whole path: macOS, the strictest of the supported systems, accepts no more. */
export const MAX_PATH_BYTES = 1_024;
/** A catalog stores a torrent as `<name>.json`, which has to fit into MAX_NAME_BYTES. */
export const MAX_CATALOG_NAME_BYTES = MAX_NAME_BYTES - ".json".length;

/** Zero-width non-joiner and joiner. They are invisible, but Persian, Indic scripts and emoji families need them. */
const JOINERS = /[\u200c\u200d]/g;
/** Controls, lone surrogates, line separators and format characters: U+202E makes txt.exe look like exe.txt. */
const UNSAFE = /[[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Cf}]--[\u200c\u200d]]/v;
/** Windows drops dots and spaces at the end of a name. */
const ENDS_WRONG = /[\s.]$/;
/** Device names of Windows: reserved in every folder, with any extension, and with spaces before the extension. */
const RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)\s*(\.|$)/i;

/**
 * Checks a file name from outside. A name that passes is one path segment on every system, stays in its folder, and
 * shows what it is. Any script passes; the name is returned unchanged. Throws InvalidField with `field`.
 */
export function checkFileName(name: unknown, field: string): string {
  return checkSegment(name, field, problemAnywhere(name, MAX_NAME_BYTES));
}

/** Checks a torrent's name in a catalog: a file name with room for `.json`. Throws InvalidField with `field`. */
export function checkName(name: unknown, field: string): string {
  return checkSegment(name, field, problemAnywhere(name, MAX_CATALOG_NAME_BYTES));
}

/**
 * Checks a relative path of file names joined by "/". A path that passes stays in its folder, but Windows may be unable
 * to write it: see `windowsProblem`. Throws InvalidField with `field`.
 */
export function checkPath(path: unknown, field: string): string {
  if (typeof path !== "string") throw new InvalidField(field, "must be a string");
  if (isLongerThan(path, MAX_PATH_BYTES))
    throw new InvalidField(field, `must be at most ${MAX_PATH_BYTES} bytes`);
  for (const segment of path.split("/")) checkSegment(segment, field, problemOf(segment, MAX_NAME_BYTES));
  return path;
}

/** Why Windows cannot write a path that `checkPath` lets pass. Undefined if it can. */
export function windowsProblem(path: string): string | undefined {
  for (const name of path.split("/")) {
    const visible = name.replace(JOINERS, "");
    const [character] = /[:<>"|?*]/.exec(name) ?? [];
    if (character) return `contains ${character}`;
    if (ENDS_WRONG.test(visible)) return "ends in a dot or a space";
    if (RESERVED.test(visible)) return "is a device name there";
  }
  return undefined;
}

function checkSegment(name: unknown, field: string, problem: string | undefined): string {
  if (problem) throw new InvalidField(field, problem);
  return name as string;
}

/** Why a name is unsafe on some system. */
function problemAnywhere(name: unknown, maxBytes: number): string | undefined {
  if (typeof name !== "string") return "must be a string";
  const problem = problemOf(name, maxBytes);
  if (problem) return problem;
  const visible = name.replace(JOINERS, "");
  if (name.includes(":")) return "must not contain a colon";
  if (ENDS_WRONG.test(visible)) return "must not end in a dot or a space";
  if (RESERVED.test(visible)) return "is a device name on Windows";
  return undefined;
}

/** Why a name is unsafe on any system. */
function problemOf(name: string, maxBytes: number): string | undefined {
  // HFS+ and human readers ignore joiners, so the rules have to hold without them too.
  const visible = name.replace(JOINERS, "");
  if (visible === "") return "must not be empty";
  if (visible === "." || visible === "..") return "must not be . or ..";
  if (/[/\\]/.test(name)) return "must not contain / or \\ inside a name";
  if (UNSAFE.test(name)) return "must not contain control or invisible characters";
  if (isLongerThan(name, maxBytes)) return `must be at most ${maxBytes} bytes`;
  return undefined;
}

/**
 * Maps names to one fold if some system takes them for the same name: case-insensitive, normalising, or blind to
 * joiners. Such names must not share a folder. A fold is only compared, never shown or stored.
 */
export function foldName(name: string): string {
  // Upper case first, then lower case, so that ß equals ss and ſ equals s.
  return name.normalize("NFC").replace(JOINERS, "").toUpperCase().toLowerCase().normalize("NFC");
}
