import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRuns } from "../../../../server/peer/stores/file-runs.ts";
import type { KeptFiles } from "../../../../server/peer/stores/kept-files.ts";

describe("a read of runs", () => {
  let folder: string;
  let descriptor: number;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pieza-runs-"));
    const path = join(folder, "file");
    writeFileSync(path, "before");
    descriptor = openSync(path, "r+");
  });
  afterEach(() => {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  });

  async function read(...lengths: number[]) {
    const files: Pick<KeptFiles, "with"> = { with: async (_path, use) => use(descriptor) };
    const into = new Uint8Array(6);
    const runs = lengths.map((length, n) => ({ path: "file", position: 0, at: n * lengths[0]!, length }));
    await readRuns(files as KeptFiles, runs, into);
    return Buffer.from(into).toString();
  }

  it("puts each run into its place", async () => {
    expect(await read(6)).toBe("before");
    expect(await read(3, 3)).toBe("befbef");
  });

  it("fails if the file has become shorter", async () => {
    ftruncateSync(descriptor, 5);
    await expect(read(6)).rejects.toThrow("the file is shorter than it was");
  });
});
