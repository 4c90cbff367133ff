import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileMap } from "../../../../server/peer/stores/file-map.ts";
import { InPlaceFiles, type InPlaceOptions } from "../../../../server/peer/stores/in-place-files.ts";

describe("files in place", () => {
  let folder: string;
  const opened: InPlaceFiles[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pieza-in-place-"));
    writeFileSync(join(folder, "a"), "first");
    writeFileSync(join(folder, "b"), "second");
  });
  afterEach(() => {
    for (const files of opened.splice(0)) files.close();
    rmSync(folder, { recursive: true });
  });

  function open(options?: InPlaceOptions): InPlaceFiles {
    const map = new FileMap(
      [
        { path: "a", length: 5 },
        { path: "b", length: 6 },
      ],
      11,
    );
    opened.push(new InPlaceFiles(folder, map, options));
    return opened.at(-1)!;
  }
  const read = async (files: InPlaceFiles, ...range: [offset: number, length: number]) =>
    Buffer.from(await files.read(...range)).toString();

  it("are read as one range of bytes", async () => {
    const files = open();
    expect(await read(files, 0, 11)).toBe("firstsecond");
    expect(await read(files, 3, 4)).toBe("stse");
    expect(await read(files, 5, 6)).toBe("second");
  });

  it("fail if one has become shorter", async () => {
    truncateSync(join(folder, "b"), 5);
    const files = open();
    await expect(files.read(0, 11)).rejects.toThrow("the file is shorter than it was");
    expect(await files.sizeOf(1)).toBe(5);
  });

  it("are not read through a folder that has become a link, and are again when it is back", async () => {
    for (const name of ["sub", "elsewhere"]) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "c"), name);
    }
    const files = new InPlaceFiles(folder, new FileMap([{ path: "sub/c", length: 3 }], 3));
    opened.push(files);
    expect(await read(files, 0, 3)).toBe("sub");
    renameSync(join(folder, "sub"), join(folder, "away"));
    symlinkSync("elsewhere", join(folder, "sub"));
    await expect(files.read(0, 3)).rejects.toMatchObject({
      code: expect.stringMatching(/^(ELOOP|ENOTDIR)$/),
      path: join(folder, "sub"),
    });
    rmSync(join(folder, "sub"));
    renameSync(join(folder, "away"), join(folder, "sub"));
    expect(await read(files, 0, 3)).toBe("sub");
  });

  it("may be links only where that is wanted", async () => {
    rmSync(join(folder, "b"));
    mkdirSync(join(folder, "elsewhere"));
    writeFileSync(join(folder, "elsewhere", "target"), "target");
    symlinkSync("elsewhere/target", join(folder, "b"));
    const files = open();
    expect(await files.sizeOf(1)).toBeUndefined();
    await expect(files.read(0, 11)).rejects.toMatchObject({ code: "ELOOP" });
    const following = open({ followLinks: true });
    expect(await following.sizeOf(1)).toBe(6);
    expect(await read(following, 0, 11)).toBe("firsttarget");
  });

  it("have no size where a link leads nowhere, or is a folder", async () => {
    rmSync(join(folder, "a"));
    rmSync(join(folder, "b"));
    symlinkSync("b", join(folder, "a"));
    symlinkSync("a", join(folder, "b"));
    expect(await open({ followLinks: true }).sizeOf(0)).toBeUndefined();
    rmSync(join(folder, "a"));
    mkdirSync(join(folder, "a"));
    expect(await open({ followLinks: true }).sizeOf(0)).toBeUndefined();
  });
});
