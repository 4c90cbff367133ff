import { createCipheriv, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
/** Always the same, so that equal bytes have equal tags. That is safe here, as no tag leaves the process. */
const NONCE = new Uint8Array(12);

/** A secret of this process: nobody can make other bytes with the same tag. */
const key = randomBytes(32);

/**
 * A short text that is the same for the same bytes, and in this process only for them: GMAC, 128 bits. It takes a
 * quarter of the time of SHA-256, as long as a copy of the bytes.
 */
export function fingerprintOf(bytes: Uint8Array): string {
  const cipher = createCipheriv(ALGORITHM, key, NONCE);
  cipher.setAAD(bytes);
  cipher.final();
  return cipher.getAuthTag().toString("latin1");
}
