import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeLock } from "../../../../server/peer/stores/lock.ts";

describe("lock", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pieza-lock-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const take = () => takeLock(join(folder, "x.lock"), "x");

  it("belongs to one at a time, in one process too", () => {
    const lock = take();
    expect(take).toThrow(`x is in use by the process ${process.pid}`);
    lock.release();
    lock.release();
    take().release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("of a process id that was given to another process since is taken over", () => {
    const lock = take();
    const content = readFileSync(join(folder, "x.lock"), "latin1");
    lock.release();
    const [pid, , nonce] = content.split(" ");
    writeFileSync(join(folder, "x.lock"), `${pid} 1 ${nonce}`);
    take().release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("takes away what processes left that were killed while they took it, and nothing else", () => {
    writeFileSync(join(folder, "x.lock.0123abcd"), "99999999 5 x");
    writeFileSync(join(folder, "x.lock.notes"), "99999999 5 x");
    take().release();
    expect(readdirSync(folder)).toEqual(["x.lock.notes"]);
  });

  it("that is damaged is taken over", () => {
    for (const content of ["", "nonsense", "99999999 5 x"]) {
      writeFileSync(join(folder, "x.lock"), content);
      take().release();
    }
  });

  it("of a dead one that somebody else takes over a moment earlier is theirs, and given back", () => {
    const path = join(folder, "x.lock");
    const lock = takeLock(path, "x");
    const living = readFileSync(path, "latin1");
    lock.release();
    writeFileSync(path, "99999999 5 x");
    const { renameSync } = fs;
    fs.renameSync = (from, to) => {
      // The faster one: between the look at the dead lock and its removal.
      writeFileSync(path, living);
      renameSync(from, to);
    };
    syncBuiltinESMExports();
    try {
      expect(take).toThrow(`x is in use by the process ${process.pid}`);
    } finally {
      fs.renameSync = renameSync;
      syncBuiltinESMExports();
    }
    expect(readFileSync(path, "latin1")).toBe(living);
    expect(readdirSync(folder)).toEqual(["x.lock"]);
  });

  it("that somebody else has taken meanwhile is not released", () => {
    const lock = take();
    writeFileSync(join(folder, "x.lock"), "1 2 3\n");
    lock.release();
    expect(readdirSync(folder)).toEqual(["x.lock"]);
  });
});
