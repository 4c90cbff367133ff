import { type Hasher, webCryptoHasher } from "#core/base/hash.ts";

/** WebCrypto where the page has it, else WebAssembly, which is loaded only then and is several times slower. */
export async function browserHasher(): Promise<Hasher> {
  return globalThis.crypto?.subtle ? webCryptoHasher : wasmHasher();
}

/**
 * One WebAssembly instance serves all pieces: a state keeps its bytes (one piece at most), and they are hashed in one
 * go at the end, so that two pieces never interleave.
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
