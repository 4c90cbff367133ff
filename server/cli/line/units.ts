/** Sizes, times and piece numbers as people write them. Parsers throw RangeError that says what was expected. */

const SIZE_UNITS: Record<string, number> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const DURATION_UNITS: Record<string, number> = {
  ms: 1,
  "": 1_000,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The bytes of "1MiB", "50GB", "1.5 KiB" or "4096". */
export function parseSize(text: string): number {
  return Math.round(parseQuantity(text, SIZE_UNITS, "a size such as 1MiB or 50GB"));
}

/** The milliseconds of "20s", "500ms", "1.5h" or "30" (seconds). */
export function parseDuration(text: string): number {
  return parseQuantity(text, DURATION_UNITS, "a time such as 20s, 500ms or 2h");
}

function parseQuantity(text: string, units: Record<string, number>, expected: string): number {
  const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = unit === undefined ? undefined : units[unit.toLowerCase()];
  const value = Number(number) * (factor ?? Number.NaN);
  if (!Number.isSafeInteger(Math.round(value))) throw new RangeError(`expected ${expected}, got "${text}"`);
  return value;
}

/** Ranges of piece numbers from 1, both ends included. They may exceed the number of pieces. */
export type NumberRanges = readonly (readonly [first: number, last: number])[];

/** The ranges of "1-40,60". */
export function parsePieceRanges(text: string): NumberRanges {
  return text.split(",").map((part) => {
    const [, first, last = first] = /^\s*(\d+)(?:\s*-\s*(\d+))?\s*$/.exec(part) ?? [];
    if (first === undefined || Number(first) < 1 || Number(last) < Number(first)) {
      throw new RangeError(`expected piece numbers such as 1-40,60, got "${text}"`);
    }
    return [Number(first), Number(last)];
  });
}

/** "13 bytes", "1.5 KiB", "64.0 MiB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} ${Math.round(bytes) === 1 ? "byte" : "bytes"}`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** "0.4 s", "12 s", "3:05 min", "2:40 h". */
export function formatDuration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)} min`;
  return `${Math.floor(seconds / 3600)}:${two((seconds % 3600) / 60)} h`;
}

/** A time that runs down, in whole seconds, rounded up. */
export function formatSeconds(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1000);
}

/** "1 piece", "3 pieces". */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Controls, lone surrogates, line separators and format characters, except the joiners that some scripts need. */
const UNPRINTABLE = /[[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Cf}]--[\u200c\u200d]]/gv;

/** The user and password in a URL. */
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#]*@/gi;

/** The text without the users and passwords of its URLs. */
export function withoutCredentials(text: string): string {
  return text.replace(CREDENTIALS, "$1");
}

/** Text from outside as one harmless line: such characters could move the cursor, change the terminal or hide a name. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "\ufffd");
}

/** The members of our JSON that are sentences for people. */
const SENTENCES: ReadonlySet<string> = new Set(["message", "reason", "advice", "subject"]);

/**
 * A value as one line of JSON, in which such characters are escaped. It parses to the same value, but for users and
 * passwords in the sentences for people.
 */
export function printableJson(value: unknown): string {
  const safe = (name: string, member: unknown) =>
    typeof member === "string" && SENTENCES.has(name) ? withoutCredentials(member) : member;
  const escaped = (char: string) =>
    Array.from({ length: char.length }, (_, n) => `\\u${char.charCodeAt(n).toString(16).padStart(4, "0")}`);
  return JSON.stringify(value, safe).replace(UNPRINTABLE, (char) => escaped(char).join(""));
}
