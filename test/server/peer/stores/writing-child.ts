import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { FilePieceStore, type SyncMode } from "../../../../server/peer/stores/file-piece-store.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";

/** A process to be killed: fills a store for ever, a piece a turn, and prints each piece's number when it is held. */
const [target, length, sync] = process.argv.slice(2) as [string, string, SyncMode];
const made = await makeTorrent({ length: Number(length) });
const { torrent, geometry } = made;
const store = await FilePieceStore.open({ torrent, geometry, target, sync, hasher: nodeHasher });
console.log(`start ${[...store.held].join(",")}`);
for (const index of geometry.indices()) {
  if (store.held.has(index)) continue;
  const bytes = made.bytes(index);
  for (let at = 0; at < bytes.length; at += 1_000) store.write(index, at, bytes.subarray(at, at + 1_000));
  await store.commit(index);
  console.log(`held ${index}`);
  await new Promise((resolve) => setImmediate(resolve));
}
await store.finish();
await store.close();
console.log("done");
