/** Bytes in front of each message of gRPC, gRPC-Web and Connect streams: one of flags and four of the length. */
export const ENVELOPE_BYTES = 5;

/** The envelope of a message of `length` bytes. The message itself follows. */
export function envelopeOf(flags: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(ENVELOPE_BYTES);
  bytes.writeUInt8(flags, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}
