import { describe, expect, it } from "vitest";
import { StoreFailed } from "#core/errors.ts";
import { type Disk, nodeDisk } from "../../../server/peer/disk.ts";
import type { FilePieceStore, SyncMode } from "../../../server/peer/file-piece-store.ts";
import { makeTorrent } from "../../support/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

/** The machine's disk, of which the `n`th call from now on fails, and every later one too if it is `dead`. */
function failing(n: number, dead: boolean): { disk: Disk; failed: () => boolean } {
  let calls = 0;
  let failed = false;
  const disk = new Proxy(nodeDisk, {
    get(target, name: keyof Disk) {
      const call = target[name] as (...values: unknown[]) => unknown;
      return (...values: unknown[]) => {
        calls++;
        // Closing works on a broken disk too, and a test that leaks is of no use.
        if (name === "close" || calls < n || (calls > n && !dead)) return call.apply(target, values);
        failed = true;
        const error = new StoreFailed(`${name} failed: the disk has an error`);
        if (name === "sync" || name === "syncFolder" || name === "read") return Promise.reject(error);
        throw error;
      };
    },
  });
  return { disk, failed: () => failed };
}

describe("a disk that fails", () => {
  const here = storeFolder();

  for (const sync of ["piece", "batch", "none"] satisfies SyncMode[]) {
    for (const dead of [false, true]) {
      const how = dead ? "from the nth call on" : "at the nth call";
      it(`${how}, for every n (sync ${sync}): what is held afterwards is right, and the download ends well`, async () => {
        const files = ["a", "b/c", "d"].map((path) => ({ path, length: 20_000 }));
        const shapes = [{ length: 60_000 }, { files, fileName: "folder" }];
        for (const [n, shape] of shapes.entries()) {
          const made = await makeTorrent({ ...shape, seed: n + 1 });
          for (let call = 1; ; call++) {
            const { disk, failed } = failing(call, dead);
            let store: FilePieceStore | undefined;
            try {
              store = await here.open(made, { disk, sync });
              await fill(store, made);
              await store.finish();
            } catch (error) {
              expect(error).toBeInstanceOf(StoreFailed);
            }
            await store?.close().catch(() => {});

            const again = await here.open(made, { sync });
            for (const index of again.held) {
              expect(Buffer.compare(await again.read(made.at(index)), made.bytes(index))).toBe(0);
            }
            await fill(again, made);
            await again.finish();
            await again.close();
            expect(here.names()).toEqual([made.torrent.fileName]);
            nodeDisk.remove(`${here.path}/${made.torrent.fileName}`);
            if (!failed()) break;
          }
        }
      });
    }
  }
});
