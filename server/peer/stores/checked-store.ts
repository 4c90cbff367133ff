import { PiezaError } from "#core/base/errors.ts";
import { sha256 } from "#core/base/hash.ts";
import { checkHeld } from "#core/ports/store.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import type { ServedStore } from "./served-torrents.ts";

/** Serves files that may change: hashes every piece before sending it, and withdraws a wrong one for good. */
export function checkedStore(
  torrent: Torrent,
  store: ServedStore,
  onWithdrawn: (index: PieceIndex) => void,
): ServedStore {
  const held = store.held.clone();
  return {
    geometry: store.geometry,
    held,
    async read(index, into) {
      checkHeld(held, index);
      const bytes = await store.read(index, into).catch((error: unknown) => error as Error);
      if (!(bytes instanceof Error) && (await sha256(nodeHasher, bytes)) === torrent.pieces[index]) {
        return bytes;
      }
      if (held.clear(index)) onWithdrawn(index);
      const cause = bytes instanceof Error ? bytes : undefined;
      throw new PiezaError("data_loss", `this peer's copy of piece ${index + 1} has changed`, { cause });
    },
  };
}
