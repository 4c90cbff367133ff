import { messageOf, PiezaError } from "#core/base/errors.ts";
import { webCryptoHasher } from "#core/base/hash.ts";
import type { PieceStore } from "#core/ports/store.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { OpfsPieceStore } from "../../web/src/worker/storage/opfs-piece-store.ts";

/** What a test asks of the store in this worker. */
export type StoreAsk =
  | { open: { torrent: Torrent; length: number; pieceLength: number } }
  | { write: { index: number; offset: number; bytes: Uint8Array } }
  | { commit: number }
  | { read: number }
  | { finish: true }
  | { close: true };

/** Stores by the number that the test gave them. */
const stores = new Map<number, PieceStore>();

async function answer(number: number, ask: StoreAsk): Promise<unknown> {
  if ("open" in ask) {
    const { torrent, length, pieceLength } = ask.open;
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(torrent.infoHash, { create: true });
    const geometry = new PieceGeometry(length, pieceLength);
    const store = await OpfsPieceStore.open({ folder, torrent, geometry, hasher: webCryptoHasher });
    stores.set(number, store);
    return [...store.held];
  }
  const store = stores.get(number)!;
  const at = (index: number) => store.geometry.index(index);
  if ("write" in ask) return store.write(at(ask.write.index), ask.write.offset, ask.write.bytes);
  if ("commit" in ask) return store.commit(at(ask.commit));
  if ("read" in ask) return store.read(at(ask.read));
  return "finish" in ask ? store.finish() : store.close();
}

/** One at a time, in the order asked: what the page's engine would do. */
let last: Promise<unknown> = Promise.resolve();

addEventListener("message", ({ data }: MessageEvent<{ id: number; number: number; ask: StoreAsk }>) => {
  last = last.then(async () => {
    try {
      postMessage({ id: data.id, value: await answer(data.number, data.ask) });
    } catch (error) {
      const code = error instanceof PiezaError ? error.code : (error as Error).name;
      postMessage({ id: data.id, error: { code, message: messageOf(error) } });
    }
  });
});
