/** Messages that are short on the wire and large in memory. */

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

/** A field of bytes, text or a message. */
export function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes]);
}

/** A repeated field, of a number below 16, with many empty entries: two bytes each. */
export function manyEmpty(number: number, count: number): Buffer {
  return Buffer.alloc(2 * count, Buffer.from([(number << 3) | 2, 0]));
}
