/** SHA-256 as the engine sees it: node:crypto, crypto.subtle or WASM, whatever the edge has. */
export interface Hasher {
  /**
   * Starts the hash of one piece. `lengthBytes` says how long it is, where that is known: who hashes in one go then
   * needs no copy of a piece that comes in one. No more than that may come.
   */
  create(lengthBytes?: number): HashState;
}

/** One hash being taken. `update` is done with `bytes` when it returns: the caller may reuse them. */
export interface HashState {
  update(bytes: Uint8Array): void;
  /** 64 lowercase hex digits. Call it once, last. */
  digest(): string | Promise<string>;
}

/** The hash of one run of bytes, 64 lowercase hex digits. */
export async function sha256(hasher: Hasher, bytes: Uint8Array): Promise<string> {
  const state = hasher.create();
  state.update(bytes);
  return state.digest();
}

/**
 * WebCrypto, present in Node and in browsers on secure origins. It has no incremental digest, so a state keeps what it
 * was given until the end, one piece at most; unless all of it comes at once.
 */
export const webCryptoHasher: Hasher = {
  create(lengthBytes) {
    const parts: Uint8Array[] = [];
    let whole: Promise<string> | undefined;
    return {
      update(bytes) {
        if (bytes.length !== lengthBytes) return void parts.push(new Uint8Array(bytes));
        whole = digestOf(bytes);
        // Whoever asks for the digest hears of a failure; nobody has to ask.
        whole.catch(() => {});
      },
      digest: () => whole ?? digestOf(joined(parts)),
    };
  },
};

/** Takes its copy of the bytes before it returns. */
async function digestOf(bytes: Uint8Array): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
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
