import { InvalidField } from "./errors.ts";

/** Bytes of UTF-8: what ext4, APFS and NTFS (there in UTF-16 units) all take as one name. */
export const MAX_NAME_BYTES = 255;
/** Bytes of UTF-8: the shortest limit on a whole path among the systems that we meet (macOS). */
export const MAX_PATH_BYTES = 1_024;
/** A catalog keeps a torrent as `<name>.json`, which has to fit into MAX_NAME_BYTES. */
export const MAX_CATALOG_NAME_BYTES = MAX_NAME_BYTES - ".json".length;

/** Zero-width non-joiner and joiner: invisible, yet Persian, the Indic scripts and emoji families need them. */
const JOINERS = /[\u200c\u200d]/g;
/** Controls, lone surrogates, line separators, and format characters such as U+202E, which shows exe.txt for txt.exe. */
const UNSAFE = /[[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Cf}]--[\u200c\u200d]]/v;
/** Devices of Windows in every folder, with any extension and even with blanks before it. */
const RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)\s*(\.|$)/i;

/**
 * The one rule for names from outside: a name that passes is one path segment on every system, stays in its folder,
 * and shows what it is. Any script passes; the name is kept as given. Throws InvalidField with `field`.
 */
export function checkFileName(name: unknown, field: string): string {
  return checkSegment(name, field, MAX_NAME_BYTES);
}

/** A torrent's name in a catalog: a file name that leaves room for `.json`. Throws InvalidField with `field`. */
export function checkName(name: unknown, field: string): string {
  return checkSegment(name, field, MAX_CATALOG_NAME_BYTES);
}

/** A relative path of file names joined by "/". Throws InvalidField with `field`. */
export function checkPath(path: unknown, field: string): string {
  if (typeof path !== "string") throw new InvalidField(field, "must be a string");
  if (utf8Length(path) > MAX_PATH_BYTES)
    throw new InvalidField(field, `must be at most ${MAX_PATH_BYTES} bytes`);
  for (const segment of path.split("/")) checkSegment(segment, field, MAX_NAME_BYTES);
  return path;
}

function checkSegment(name: unknown, field: string, maxBytes: number): string {
  const problem = typeof name === "string" ? problemOf(name, maxBytes) : "must be a string";
  if (problem) throw new InvalidField(field, problem);
  return name as string;
}

function problemOf(name: string, maxBytes: number): string | undefined {
  // HFS+ and every eye skip joiners, so the rules hold without them too.
  const visible = name.replace(JOINERS, "");
  if (visible === "") return "must not be empty";
  if (visible === "." || visible === "..") return "must not be . or ..";
  if (/[/\\]/.test(name)) return "must not contain / or \\ inside a name";
  if (name.includes(":")) return "must not contain a colon";
  if (UNSAFE.test(name)) return "must not contain control or invisible characters";
  if (/[\s.]$/.test(visible)) return "must not end in a dot or a space";
  if (RESERVED.test(visible)) return "is a device name on Windows";
  if (utf8Length(name) > maxBytes) return `must be at most ${maxBytes} bytes`;
  return undefined;
}

/**
 * Names with one fold are one name on some system (case-insensitive, normalising, or blind to joiners), so they must
 * not live in one folder. Only ever compared, never shown or stored.
 */
export function foldName(name: string): string {
  // Upper before lower case: that way ß meets ss and ſ meets s.
  return name.normalize("NFC").replace(JOINERS, "").toUpperCase().toLowerCase().normalize("NFC");
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
