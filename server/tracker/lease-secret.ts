import { hash, randomBytes, timingSafeEqual } from "node:crypto";

/** 128 random bits as 32 hex digits: a lease's id, its secret, a tracker's id. */
export function randomId(): string {
  return randomBytes(16).toString("hex");
}

/** What the tracker keeps of a secret. */
export function hashSecret(secret: string): Uint8Array {
  return hash("sha256", secret, "buffer");
}

/** Whether two byte strings are equal, in a time that does not tell where they differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
