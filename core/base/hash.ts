import { joinBytes } from "./bytes.ts";

/** A SHA-256 implementation: node:crypto, crypto.subtle or WASM. */
export interface Hasher {
  /**
   * Starts the hash of one piece. `lengthBytes` is the piece's length, where known: no more bytes may follow. With
   * it, a hasher without an incremental digest does not copy a piece that arrives in one `update`.
   */
  create(lengthBytes?: number): HashState;
}

/** One hash in progress. `update` has read `bytes` when it returns, so the caller may reuse them. */
export interface HashState {
  update(bytes: Uint8Array): void;
  /** Returns 64 lowercase hex digits. Called once, last. */
  digest(): string | Promise<string>;
}

/** The SHA-256 of `bytes`: 64 lowercase hex digits. */
export async function sha256(hasher: Hasher, bytes: Uint8Array): Promise<string> {
  const state = hasher.create();
  state.update(bytes);
  return state.digest();
}

/**
 * WebCrypto: in Node, and in browsers on secure origins. It has no incremental digest, so a state keeps the bytes
 * until `digest` (one piece at most), unless the whole piece arrives in one `update`.
 */
export const webCryptoHasher: Hasher = {
  create(lengthBytes) {
    const parts: Uint8Array[] = [];
    let whole: Promise<string> | undefined;
    return {
      update(bytes) {
        if (bytes.length !== lengthBytes) return void parts.push(new Uint8Array(bytes));
        whole = digestOf(bytes);
        // A failure reaches the caller of `digest`. If nothing calls that, it must not be an unhandled rejection.
        whole.catch(() => {});
      },
      digest: () => whole ?? digestOf(joinBytes(parts)),
    };
  },
};

/** Copies the bytes before it returns. */
async function digestOf(bytes: Uint8Array): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)));
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lowercase hex, two digits a byte. */
export function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += HEX[byte];
  return hex;
}

/** True for 64 hex digits in either case. */
export function isSha256Hex(text: string): boolean {
  return /^[0-9a-fA-F]{64}$/.test(text);
}
