import { createHash } from "node:crypto";
import type { Hasher } from "#core/base/hash.ts";

/** node:crypto: incremental and without a trip to another thread, the fastest for bytes that arrive in parts. */
export const nodeHasher: Hasher = {
  create() {
    const hash = createHash("sha256");
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
  },
};
