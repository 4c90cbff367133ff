import { describe, expect, it } from "vitest";
import { StoreFailed } from "#core/base/errors.ts";
import { type Disk, nodeDisk } from "../../../../server/peer/stores/disk.ts";
import type { FilePieceStore, SyncMode } from "../../../../server/peer/stores/file-piece-store.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

/** The machine's disk, of which the `n`th call from now on fails, and every later one too if it is `dead`. */
function failing(n: number, dead: boolean): { disk: Disk; failed: () => boolean; open: () => number } {
  let calls = 0;
  let failed = false;
  let open = 0;
  const disk = new Proxy(nodeDisk, {
    get(target, name: keyof Disk) {
      const call = target[name] as (...values: unknown[]) => unknown;
      return (...values: unknown[]) => {
        calls++;
        if (name === "close") open--;
        // Closing works on a broken disk too, and a test that leaks is of no use.
        if (name === "close" || calls < n || (calls > n && !dead)) {
          const result = call.apply(target, values);
          if (name === "open") open++;
          return result;
        }
        failed = true;
        const error = new StoreFailed(`${name} failed: the disk has an error`);
        if (name === "sync" || name === "syncFolder" || name === "read") return Promise.reject(error);
        throw error;
      };
    },
  });
  return { disk, failed: () => failed, open: () => open };
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
            const { disk, failed, open } = failing(call, dead);
            let store: FilePieceStore | undefined;
            try {
              store = await here.open(made, { disk, sync });
              await fill(store, made);
              await store.finish();
            } catch (error) {
              expect(error).toBeInstanceOf(StoreFailed);
            }
            await store?.close().catch(() => {});
            expect(open(), `files open after call ${call} failed`).toBe(0);

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

  it("does not hold a piece whose record it did not take, not even for the rest of the run", async () => {
    const made = await makeTorrent({ length: 60_000 });
    let isBroken = false;
    const write: Disk["write"] = (...to) => {
      if (isBroken) throw new StoreFailed("writing failed: the disk has an error");
      nodeDisk.write(...to);
    };
    const store = await here.open(made, { disk: { ...nodeDisk, write } });
    await fill(store, made, [0]);
    const second = made.at(1);
    store.write(second, 0, made.bytes(second));
    isBroken = true;
    expect(() => store.commit(second)).toThrow(StoreFailed);
    expect([...store.held]).toEqual([0]);
    await expect(store.read(second)).rejects.toThrow();
  });

  it("while it opens a finished file says that it fails, not that another file is in the way", async () => {
    const made = await makeTorrent({ length: 60_000 });
    const first = await here.open(made);
    await fill(first, made);
    await first.finish();
    await first.close();
    for (let call = 1; ; call++) {
      const { disk, failed, open } = failing(call, false);
      const result = await here.open(made, { disk }).catch((error: unknown) => error);
      if (!failed()) break;
      expect(result, `call ${call}`).toBeInstanceOf(StoreFailed);
      expect(open(), `files open after call ${call} failed`).toBe(0);
    }
  });
});
