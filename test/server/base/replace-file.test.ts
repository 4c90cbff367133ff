import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { replaceFile } from "../../../server/base/replace-file.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "pieza-replace-"));
});
afterEach(() => rm(directory, { recursive: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe("replacing a file", () => {
  it("makes the folders, writes the text and leaves no draft", async () => {
    const path = join(directory, "a", "b", "kept.json");
    await replaceFile(path, "first", 0o600);
    await replaceFile(path, "second", 0o600);
    expect(await readFile(path, "utf8")).toBe("second");
    expect(await readdir(join(directory, "a", "b"))).toEqual(["kept.json"]);
    expect([await modeOf(path), await modeOf(join(directory, "a"))]).toEqual([0o600, 0o700]);
  });

  it("never mixes the texts of writers at the same moment", async () => {
    const path = join(directory, "kept");
    const texts = ["a", "b", "c"].map((letter) => letter.repeat(100_000));
    await Promise.all(texts.map((text) => replaceFile(path, text)));
    expect(texts).toContain(await readFile(path, "utf8"));
    expect(await readdir(directory)).toEqual(["kept"]);
  });

  it("removes its draft after a failure", async () => {
    const path = join(directory, "taken");
    await mkdir(join(path, "by-a-folder"), { recursive: true });
    await expect(replaceFile(path, "text")).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST|EPERM/);
    expect(await readdir(directory)).toEqual(["taken"]);
  });
});
