/** A value of JSON that is not trusted; undefined if the text is not JSON. */
export function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Whether a value is a number from 0 to Number.MAX_SAFE_INTEGER. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}

/** Whether a text is a peer's URL: scheme, host and port. */
export function isPeerUrl(text: string): boolean {
  return /^https?:\/\/[^\s/?#@\\]+$/.test(text);
}
