import { hash, randomBytes, timingSafeEqual } from "node:crypto";

/** 128 random bits as 32 hex digits: a lease's id, its secret, a tracker's id. */
export function randomId(): string {
  return randomBytes(16).toString("hex");
}

/**
 * What the tracker keeps of a secret: its SHA-256 as 64 hex digits. Two of them are compared like any text: where they
 * differ says nothing of a secret of 128 random bits.
 */
export function hashSecret(secret: string): string {
  return hash("sha256", secret);
}

/** Whether two byte strings are equal, in a time that does not tell where they differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
