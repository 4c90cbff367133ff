import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { FilePieceStore, type SyncMode } from "../../../../server/peer/stores/file-piece-store.ts";
import { pieceStoreContract } from "../../../contract/piece-store.ts";

pieceStoreContract("memory", ({ geometry }) => new MemoryPieceStore(geometry), { durable: false });

const folder = mkdtempSync(join(tmpdir(), "pieza-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const sync of ["piece", "batch", "none"] satisfies SyncMode[]) {
  pieceStoreContract(
    `file, sync ${sync}`,
    ({ id, torrent, geometry }) =>
      FilePieceStore.open({ torrent, geometry, target: join(folder, id), hasher: nodeHasher, sync }),
    { durable: true },
  );
}
