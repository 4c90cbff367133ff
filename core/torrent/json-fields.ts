import { isLongerThan } from "../base/bytes.ts";
import { InvalidField } from "../base/errors.ts";

/** The own members of a parsed object, with no prototype: `__proto__` is like any other. Throws InvalidField. */
export function asObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new InvalidField(field, "must be an object");
  const members: Record<string, unknown> = Object.create(null);
  return Object.assign(members, value);
}

/** Throws InvalidField if `value` is no array. */
export function asArray(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidField(field, "must be a list");
  return value;
}

/** A whole number from `min` to `max`. Throws InvalidField. */
export function asWholeNumber(value: unknown, field: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value))
    throw new InvalidField(field, "must be a whole number");
  if (value < min || value > max) throw new InvalidField(field, `must be ${min} to ${max}`);
  // Turns -0 into 0: both have to be written alike.
  return value + 0;
}

/** Well-formed text of at most `maxBytes` bytes of UTF-8. Throws InvalidField. */
export function asText(value: unknown, field: string, maxBytes: number): string {
  if (typeof value !== "string") throw new InvalidField(field, "must be a string");
  if (!value.isWellFormed()) throw new InvalidField(field, "must not contain half a character");
  if (isLongerThan(value, maxBytes)) throw new InvalidField(field, `must be at most ${maxBytes} bytes`);
  return value;
}
