/** A JSON value that has a canonical form. */
export type CanonicalValue =
  | null
  | boolean
  | number
  | string
  | readonly CanonicalValue[]
  | { readonly [key: string]: CanonicalValue };

/**
 * The RFC 8785 (JCS) text of a value: no white space, keys in UTF-16 order, numbers and strings as ECMAScript writes
 * them. Throws TypeError for NaN, Infinity, a lone surrogate and undefined, which callers have ruled out.
 */
export function canonicalJson(value: CanonicalValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return canonicalNumber(value);
  if (typeof value === "string") return canonicalString(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object") return canonicalObject(value as { [key: string]: CanonicalValue });
  throw new TypeError(`a ${typeof value} has no canonical JSON`);
}

function canonicalObject(value: { readonly [key: string]: CanonicalValue }): string {
  // sort() orders by UTF-16 code units, as the RFC asks.
  const members = Object.keys(value)
    .sort()
    .map((key) => `${canonicalString(key)}:${canonicalJson(value[key]!)}`);
  return `{${members.join(",")}}`;
}

function canonicalNumber(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`${value} has no canonical JSON`);
  return JSON.stringify(value);
}

function canonicalString(value: string): string {
  if (!value.isWellFormed()) throw new TypeError("a lone surrogate has no canonical JSON");
  return JSON.stringify(value);
}
