import { hash, randomBytes, timingSafeEqual } from "node:crypto";

/** A new id of a lease, an order or a tracker, or a new secret: 128 random bits as 32 hex digits. */
export function randomId(): string {
  return randomBytes(16).toString("hex");
}

/**
 * The SHA-256 of a lease's secret, as 64 hex digits. The tracker keeps only this hash. Hashes are compared with
 * `===`: the time until two of them differ reveals nothing of a secret of 128 random bits.
 */
export function hashSecret(secret: string): string {
  return hash("sha256", secret);
}

/** Whether two byte strings are equal. The comparison takes the same time wherever they differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
