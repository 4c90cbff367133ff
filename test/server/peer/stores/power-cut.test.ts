import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Random } from "#core/base/clock.ts";
import { StoreFailed } from "#core/base/errors.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { FilePieceStore, SyncMode } from "../../../../server/peer/stores/file-piece-store.ts";
import { storePaths } from "../../../../server/peer/stores/store-paths.ts";
import { PowerCutDisk } from "../../../support/disk/power-cut-disk.ts";
import { seededBytes, seededRandom, torrentOf } from "../../../support/swarms/fake-swarm.ts";
import { storeFolder } from "./store-folder.ts";

/** In each mode; three modes make more than 10,000. */
const CRASH_POINTS = 3_400;
const PIECES = 6;
const PIECE = 120;
/** Disk calls before the end: a whole download makes about 60. */
const MOST_CALLS = 80;
/** How often one download is cut off. */
const CRASHES = 4;

describe("a power cut", () => {
  const here = storeFolder();
  const whole = seededBytes(PIECES * PIECE - 50);
  const { torrent, geometry } = torrentOf(whole, PIECE);
  const target = () => join(here.path, torrent.fileName);
  const pieceOf = (index: number) =>
    whole.subarray(index * PIECE, Math.min((index + 1) * PIECE, whole.length));

  for (const sync of ["piece", "batch", "none"] satisfies SyncMode[]) {
    it(`or a kill, ${CRASH_POINTS} times at any moment (sync ${sync}), leaves no piece held that is not there, and no name on half a file`, async () => {
      let crashes = 0;
      let heldAfter = 0;
      for (let seed = 1; crashes < CRASH_POINTS; seed++) {
        const random = seededRandom(seed);
        const disk = new PowerCutDisk();
        const durable = new Set<number>();
        for (let crash = 0; crash < CRASHES; crash++, crashes++) {
          disk.callsLeft = Math.floor(random() * MOST_CALLS);
          await run(disk, random, durable);
          if (random() < 0.3) disk.kill();
          else disk.cutPower(random);
          // Without any flush a power cut may take the bytes of a file that had its name already; that is its price.
          const found = disk.content(target());
          if (found && sync !== "none") expect(Buffer.compare(found, whole), `seed ${seed}`).toBe(0);
          if (found) break;
          if (random() < 0.5) continue;
          heldAfter += await look(disk, seed, durable);
        }
      }
      expect(crashes).toBeGreaterThanOrEqual(CRASH_POINTS);
      // Whoever never flushes keeps little, but the checks above must have seen something.
      expect(heldAfter).toBeGreaterThan(CRASH_POINTS / 16);
    });

    /** Opens what a crash has left. Returns how many pieces are held. */
    async function look(disk: PowerCutDisk, seed: number, durable: ReadonlySet<number>): Promise<number> {
      const store = await open(disk);
      for (const index of store.held) {
        const bytes = await store.read(geometry.index(index));
        expect(Buffer.compare(bytes, pieceOf(index)), `seed ${seed}: piece ${index}`).toBe(0);
      }
      for (const index of durable) expect(store.held.has(index), `seed ${seed}: piece ${index}`).toBe(true);
      await store.close();
      return store.held.count;
    }

    /** Fills the store in some order until the power goes, and notes what a commit has promised. */
    async function run(disk: PowerCutDisk, random: Random, durable: Set<number>): Promise<void> {
      let store: FilePieceStore | undefined;
      try {
        store = await open(disk);
        for (const index of [...geometry.indices()].sort(() => random() - 0.5)) {
          const bytes = pieceOf(index);
          store.write(index, 60, bytes.subarray(60));
          store.write(index, 0, bytes.subarray(0, 60));
          await store.commit(index);
          if (sync === "piece") durable.add(index);
        }
        await store.finish();
      } catch (error) {
        expect(error).toBeInstanceOf(StoreFailed);
        expect((error as Error).message).toBe("the power is off");
      }
      await store?.close().catch(() => {});
    }

    const open = (disk: PowerCutDisk) => here.open({ torrent, geometry }, { disk, sync });
  }

  it.each(["piece", "batch"] as const)(
    "after a flush that failed (sync %s) finds a whole file: what the system only still remembers is not believed",
    async (sync) => {
      const random = seededRandom(7);
      const disk = new PowerCutDisk();
      const open = () => here.open({ torrent, geometry }, { disk, sync });
      const store = await open();
      disk.failsToSync = storePaths(target(), torrent.infoHash).part;
      const filling = fill(store, [...geometry.indices()]).then(() => store.finish());
      await expect(filling).rejects.toBeInstanceOf(StoreFailed);
      await store.close().catch(() => {});
      const again = await open();
      await fill(
        again,
        [...geometry.indices()].filter((index) => !again.held.has(index)),
      );
      await again.finish();
      await again.close();
      disk.cutPower(random);
      expect(Buffer.compare(disk.content(target())!, whole)).toBe(0);
    },
  );

  async function fill(store: FilePieceStore, indices: readonly PieceIndex[]): Promise<void> {
    for (const index of indices) {
      store.write(index, 0, pieceOf(index));
      await store.commit(index);
    }
  }
});
