import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { InvalidField } from "#core/base/errors.ts";
import { webCryptoHasher } from "#core/base/hash.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import { parseTorrentText, torrentJson } from "#core/torrent/torrent-json.ts";

const root = new URL("../../../", import.meta.url);
const vectors = new URL("fixtures/vectors/", root);
const expected: Record<string, string> = JSON.parse(
  await readFile(new URL("info-hashes.json", vectors), "utf8"),
);

describe("the vectors", () => {
  it("are the six of fixtures/vectors, each with its info hash", async () => {
    const files = (await readdir(vectors)).filter((name) => name !== "info-hashes.json");
    expect(files.sort()).toEqual(Object.keys(expected).sort());
    expect(files).toHaveLength(6);
  });

  it.each(Object.entries(expected))("%s has its info hash", async (name, infoHash) => {
    const text = await readFile(new URL(name, vectors), "utf8");
    const torrent = await parseTorrentText(text, webCryptoHasher);
    expect(torrent.infoHash).toBe(infoHash);
    // All but the legacy form, which has its hashes in upper case and out of order, are written as we write them.
    if (name !== "seed-form.json") expect(torrentJson(torrent)).toEqual(JSON.parse(text));
  });

  it("are agreed on by a Python program that shares no code with us", async () => {
    const script = fileURLToPath(new URL("test/python/info_hash_vectors.py", root));
    const { stdout } = await promisify(execFile)("/usr/bin/python3", ["-B", script, fileURLToPath(vectors)]);
    const lines = Object.entries(expected).map(([name, infoHash]) => `ok ${name} ${infoHash}`);
    expect(stdout.trim().split("\n")).toEqual(lines);
  });
});

describe("an info hash from outside", () => {
  const hex = "0123456789abcdef".repeat(4);

  it.each([hex, hex.toUpperCase()])("%s is taken, in lowercase", (text) => {
    expect(parseInfoHash(text)).toBe(hex);
  });

  it.each([
    "",
    hex.slice(1),
    `${hex}0`,
    `${hex}\n`,
    ` ${hex}`,
    `0x${hex.slice(2)}`,
    "../../etc/passwd",
    7,
    null,
  ])("%j is refused", (text) => expect(() => parseInfoHash(text)).toThrow(InvalidField));

  it("is refused under the field that it came in", () => {
    expect(() => parseInfoHash("x", "torrents[0].info_hash")).toThrow(
      "torrents[0].info_hash: must be 64 hex",
    );
  });
});
