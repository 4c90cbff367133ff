import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeDisk } from "../../../../server/peer/stores/disk.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;
/** More than a store keeps open, so that the first ones are opened anew. */
const files = Array.from({ length: 40 }, (_, n) => ({ path: `sub/${n + 10}.bin`, length: PIECE }));

describe("a folder of a download that another process replaces by a link", () => {
  const here = storeFolder();
  const make = () => makeTorrent({ files, fileName: "folder" });
  const part = () => join(here.path, here.names().find((name) => name.endsWith(".part"))!);

  /** A folder elsewhere with a file of the name of one of the torrent's. */
  function elsewhere(path = "10.bin") {
    const folder = join(here.path, "elsewhere");
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), "a person's own");
    return {
      swapFor(target: string) {
        renameSync(target, join(here.path, "away"));
        symlinkSync(folder, target);
      },
      isUntouched: () =>
        readFileSync(join(folder, path), "utf8") === "a person's own" &&
        readdirSync(join(folder, path, "..")).length === 1,
    };
  }

  it("is not written through: the inner folder of the working files", async () => {
    const made = await make();
    const store = await here.open(made);
    const other = elsewhere();
    other.swapFor(join(part(), "sub"));
    expect(() => store.write(made.at(0), 0, made.bytes(0))).toThrow(
      /a file or link is where a folder|it is a link/,
    );
    expect(other.isUntouched()).toBe(true);
  });

  it("is not written through: the folder of the working files itself", async () => {
    const made = await make();
    const store = await here.open(made);
    const other = elsewhere("sub/10.bin");
    other.swapFor(part());
    expect(() => store.write(made.at(0), 0, made.bytes(0))).toThrow(
      /a file or link is where a folder|it is a link/,
    );
    expect(other.isUntouched()).toBe(true);
  });

  it("is not given files: a folder of the target, between the look at it and the move", async () => {
    for (const replace of [false, true]) {
      const made = await make();
      const folder = join(here.path, "folder");
      const other = elsewhere();
      let armed = false;
      const makeFolder = (path: string) => {
        nodeDisk.makeFolder(path);
        if (!armed || !existsSync(join(folder, "sub"))) return;
        armed = false;
        other.swapFor(join(folder, "sub"));
      };
      const store = await here.open(made, { select: [0], replace, disk: { ...nodeDisk, makeFolder } });
      await fill(store, made, [0]);
      armed = true;
      await expect(store.finish()).rejects.toThrow(/a file or link is where a folder|it is a link/);
      expect(other.isUntouched()).toBe(true);
      await store.close();
      for (const name of here.names()) nodeDisk.remove(join(here.path, name));
    }
  });

  it("is not read from: a folder of a target that is there already", async () => {
    const made = await make();
    const first = await here.open(made);
    await fill(first, made);
    await first.finish();
    await first.close();
    const folder = join(here.path, "folder");
    renameSync(join(folder, "sub"), join(here.path, "away"));
    symlinkSync(join(here.path, "away"), join(folder, "sub"));
    await expect(here.open(made)).rejects.toMatchObject({ code: "already_exists" });
  });
});
