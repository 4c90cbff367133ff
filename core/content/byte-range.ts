/** Bytes from `start` to before `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The range that a Range header asks for, of `length` bytes; undefined: all of them. Headers with several ranges or
 * other units mean all of them, as RFC 9110 (14.2) allows. A range of a wrong form is unsatisfiable, as in nginx: a
 * program that resumes a download would otherwise append the whole file to its part.
 */
export function parseRange(
  header: string | undefined,
  length: number,
): ByteRange | "unsatisfiable" | undefined {
  if (header === undefined || !/^bytes=/i.test(header) || header.includes(",")) return undefined;
  const [, first, last] = /^\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/.exec(header.slice("bytes=".length)) ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return "unsatisfiable";
  const suffix = Math.min(Number(last), length);
  const start = first === "" ? length - suffix : Number(first);
  const end = first === "" || last === "" ? length : Math.min(Number(last) + 1, length);
  if (start < end) return { start, end };
  // An empty file has no range, and its first byte onwards is all of it.
  return start === 0 && length === 0 ? undefined : "unsatisfiable";
}
