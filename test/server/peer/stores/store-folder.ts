import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import {
  FilePieceStore,
  type FilePieceStoreOptions,
} from "../../../../server/peer/stores/file-piece-store.ts";
import type { MadeTorrent } from "../../../support/swarms/made-torrent.ts";

/** A folder of its own for every test, and stores in it that are closed behind the test. */
export function storeFolder() {
  const open: FilePieceStore[] = [];
  const here = {
    path: "",
    /** Names of what is in the folder. */
    names: () => readdirSync(here.path).sort(),
    async open(
      made: Pick<MadeTorrent, "torrent" | "geometry">,
      options: Partial<FilePieceStoreOptions> = {},
    ): Promise<FilePieceStore> {
      const { torrent, geometry } = made;
      const target = join(here.path, torrent.fileName);
      const store = await FilePieceStore.open({ torrent, geometry, target, hasher: nodeHasher, ...options });
      open.push(store);
      return store;
    },
  };
  beforeEach(() => {
    here.path = mkdtempSync(join(tmpdir(), "pieza-store-"));
  });
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close().catch(() => {});
    rmSync(here.path, { recursive: true, force: true });
  });
  return here;
}

/** Writes and commits these pieces; default: all that are missing. */
export async function fill(store: FilePieceStore, { bytes }: MadeTorrent, numbers?: number[]): Promise<void> {
  const indices = [...store.geometry.indices()].filter((index) => numbers?.includes(index) ?? true);
  for (const index of indices) {
    store.write(index, 0, bytes(index));
    await store.commit(index);
  }
}
