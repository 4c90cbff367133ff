import { expect, it } from "vitest";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { ServedTorrents } from "../../../../server/peer/stores/served-torrents.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;

function storeOf(made: MadeTorrent, ...indices: number[]): MemoryPieceStore {
  const store = new MemoryPieceStore(made.geometry);
  for (const index of indices) hold(store, made, index);
  return store;
}

function hold(store: MemoryPieceStore, made: MadeTorrent, index: number): void {
  store.write(made.at(index), 0, made.bytes(index));
  store.commit(made.at(index));
}

it("what a peer has of its own and what it keeps for the swarm are served as one, each from where it is", async () => {
  const made = await makeTorrent({ length: 4 * PIECE });
  const { infoHash } = made.torrent;
  const torrents = new ServedTorrents();
  const copies = storeOf(made, 2);
  torrents.add(made.torrent, storeOf(made, 0));
  torrents.add(made.torrent, copies, "copies");
  expect([...torrents.find(infoHash).store.held]).toEqual([0, 2]);
  expect(await torrents.find(infoHash).store.read(made.at(2))).toEqual(made.bytes(2));
  hold(copies, made, 3);
  torrents.changed(infoHash);
  expect([...torrents.find(infoHash).store.held]).toEqual([0, 2, 3]);
  torrents.remove(infoHash);
  expect(torrents.find(infoHash).store).toBe(copies);
  torrents.remove(infoHash, "copies");
  expect(torrents.get(infoHash)).toBeUndefined();
});
