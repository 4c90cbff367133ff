import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Random } from "#core/clock.ts";
import { StoreFailed } from "#core/errors.ts";
import type { FilePieceStore, SyncMode } from "../../../server/peer/file-piece-store.ts";
import { makeTorrent } from "../../support/made-torrent.ts";
import { PowerCutDisk } from "../../support/power-cut-disk.ts";
import { storeFolder } from "./store-folder.ts";

const RUNS = 400;
const PIECES = 6;

/** Uniform in [0, 1), the same for the same seed. */
function randomOf(seed: number): Random {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

describe("a power cut", () => {
  const here = storeFolder();

  for (const sync of ["piece", "batch", "none"] satisfies SyncMode[]) {
    it(`at any moment (sync ${sync}) leaves no piece held that is not there, and no name on half a file`, async () => {
      const made = await makeTorrent({ length: PIECES * (16 << 10) - 100 });
      const target = join(here.path, "file.bin");
      const isRight = (index: number, bytes: Uint8Array) => Buffer.compare(bytes, made.bytes(index)) === 0;
      let heldAfterCuts = 0;
      for (let seed = 1; seed <= RUNS; seed++) {
        const random = randomOf(seed);
        const disk = new PowerCutDisk();
        const durable = new Set<number>();
        for (let cut = 0; cut < 3; cut++) {
          disk.callsLeft = Math.floor(random() * 80);
          await run(disk, random, durable);
          disk.cutPower(random);
          // Without any flush a power cut may take the bytes of a file that had its name already; that is its price.
          const found = disk.content(target);
          if (found && sync !== "none") expect(Buffer.compare(found, made.whole), `seed ${seed}`).toBe(0);
          if (found) break;
          const store = await here.open(made, { disk, sync });
          for (const index of store.held) expect(isRight(index, await store.read(made.at(index)))).toBe(true);
          for (const index of durable)
            expect(store.held.has(index), `seed ${seed}: piece ${index}`).toBe(true);
          heldAfterCuts += store.held.count;
          await store.close();
        }
      }
      // Whoever never flushes keeps little, but the checks above must have seen something.
      expect(heldAfterCuts).toBeGreaterThan(sync === "none" ? 0 : RUNS / 4);

      /** Fills the store in some order until the power goes, and notes what a commit has promised. */
      async function run(disk: PowerCutDisk, random: Random, durable: Set<number>): Promise<void> {
        let store: FilePieceStore | undefined;
        try {
          store = await here.open(made, { disk, sync });
          for (const index of [...made.geometry.indices()].sort(() => random() - 0.5)) {
            const bytes = made.bytes(index);
            store.write(index, 8_000, bytes.subarray(8_000));
            store.write(index, 0, bytes.subarray(0, 8_000));
            await store.commit(index);
            if (sync === "piece") durable.add(index);
          }
          await store.finish();
        } catch (error) {
          expect(error).toBeInstanceOf(StoreFailed);
        }
        await store?.close().catch(() => {});
      }
    });
  }
});
