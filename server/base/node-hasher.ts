import { createHash, hash } from "node:crypto";
import type { Hasher } from "#core/base/hash.ts";

/** SHA-256 by node:crypto, incremental and on this thread: the fastest way for bytes that arrive in parts. */
export const nodeHasher: Hasher = {
  create() {
    const hash = createHash("sha256");
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
  },
};

/** The SHA-1 of a piece in hex, which only BitTorrent clients need. */
export const sha1Hex = (piece: Uint8Array): string => hash("sha1", piece, "hex");
