import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KeptFiles } from "../../../../server/peer/stores/kept-files.ts";
import { readStamped } from "../../../../server/peer/stores/stamped-read.ts";

/** Longer than any file system's tick. */
const LATER_MS = 10_000;

describe("a read with a stamp", () => {
  let folder: string;
  let path: string;
  let descriptor: number;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pieza-stamp-"));
    path = join(folder, "file");
    writeFileSync(path, "before");
    descriptor = openSync(path, "r+");
    // A change in the same tick of the file system would not show.
    const other = join(folder, "other");
    do writeFileSync(other, "");
    while (statSync(other).ctimeMs === statSync(path).ctimeMs);
  });
  afterEach(() => {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  });

  /** Has looked at the file's times when it returns, and not yet read. */
  function read(nowMs = Date.now() + LATER_MS) {
    const files: Pick<KeptFiles, "with"> = { with: async (_path, use) => use(descriptor) };
    const into = new Uint8Array(6);
    const runs = [{ path, position: 0, at: 0, length: 6 }];
    return readStamped(files as KeptFiles, runs, nowMs, into).then((stamp) => ({
      stamp,
      text: Buffer.from(into).toString(),
    }));
  }

  it("has the same one while nothing changes, and another after a change", async () => {
    const { stamp, text } = await read();
    expect(text).toBe("before");
    expect(stamp).toMatch(/^\d+:\d+:6:\d+:\d+$/);
    expect((await read()).stamp).toBe(stamp);
    writeSync(descriptor, "after!", 0);
    const changed = await read();
    expect(changed.text).toBe("after!");
    expect(changed.stamp).not.toBe(stamp);
  });

  it("has none if the file changes while it is read", async () => {
    const reading = read();
    writeSync(descriptor, "after!", 0);
    expect((await reading).stamp).toBeUndefined();
  });

  it("has none so short after a change that another one would not show", async () => {
    expect((await read(Date.now())).stamp).toBeUndefined();
  });

  it("fails if the file has become shorter", async () => {
    ftruncateSync(descriptor, 5);
    await expect(read()).rejects.toThrow("the file is shorter than it was");
  });
});
