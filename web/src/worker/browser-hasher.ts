import { type Hasher, webCryptoHasher } from "#core/base/hash.ts";

/** WebCrypto if the page has it, else WebAssembly, which is several times slower and is loaded only then. */
export async function browserHasher(): Promise<Hasher> {
  return globalThis.crypto?.subtle ? webCryptoHasher : wasmHasher();
}

/**
 * SHA-256 in WebAssembly. All hashes share one instance: each keeps its bytes, one piece at most, and hashes them at
 * the end, so that two hashes never interleave.
 */
export async function wasmHasher(): Promise<Hasher> {
  const { createSHA256 } = await import("hash-wasm");
  const sha256 = await createSHA256();
  return {
    create() {
      const parts: Uint8Array[] = [];
      return {
        update: (bytes) => void parts.push(bytes.slice()),
        digest() {
          sha256.init();
          for (const part of parts) sha256.update(part);
          return sha256.digest("hex");
        },
      };
    },
  };
}
