const encoder = new TextEncoder();

/** The parts one after the other. A single part is returned itself. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Whether a text takes more than `maxBytes` bytes of UTF-8. */
export function isLongerThan(text: string, maxBytes: number): boolean {
  if (3 * text.length <= maxBytes) return false;
  return text.length > maxBytes || encoder.encode(text).length > maxBytes;
}
