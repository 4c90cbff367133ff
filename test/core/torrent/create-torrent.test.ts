import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { webCryptoHasher } from "#core/base/hash.ts";
import { createTorrent, type TorrentDraft } from "#core/torrent/create-torrent.ts";
import { parseTorrent, torrentJson } from "#core/torrent/torrent-json.ts";

const KiB = 1024;
const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) % 256);
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function draftOf(bytes: Uint8Array, more: Partial<TorrentDraft> = {}): TorrentDraft {
  return {
    fileName: "file.bin",
    length: bytes.length,
    pieceLength: 16 * KiB,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    ...more,
  };
}

describe("creating a torrent", () => {
  it.each([
    [1, [1]],
    [16 * KiB - 1, [16 * KiB - 1]],
    [16 * KiB, [16 * KiB]],
    [16 * KiB + 1, [16 * KiB, 1]],
    [100 * KiB, [16, 16, 16, 16, 16, 16, 4].map((n) => n * KiB)],
  ])("of %i bytes hashes each piece's own bytes", async (length, pieceLengths) => {
    const bytes = bytesOf(length);
    const torrent = await createTorrent(draftOf(bytes), webCryptoHasher);
    const expected = pieceLengths.map((size, i) => sha(bytes.subarray(i * 16 * KiB, i * 16 * KiB + size)));
    expect(torrent.pieces).toEqual(expected);
    expect(torrent.lengths).toEqual({ length, pieceLength: 16 * KiB });
    expect(await parseTorrent(torrentJson(torrent), webCryptoHasher)).toEqual(torrent);
  });

  it("of nothing has one piece of nothing", async () => {
    const torrent = await createTorrent(
      draftOf(new Uint8Array(), { pieceLength: undefined }),
      webCryptoHasher,
    );
    expect(torrent.pieces).toEqual([sha(new Uint8Array())]);
    expect(torrent.lengths).toEqual({ length: 0, pieceLength: 1024 * KiB });
  });

  it("says what it was told", async () => {
    const said = {
      files: [
        { path: "a", length: 1 },
        { path: "b", length: 2 },
      ],
      trackers: ["http://127.0.0.1:50050"],
      comment: "c",
      createdAt: "2026-01-31T12:00:00Z",
      replicationTarget: 3,
    };
    expect(await createTorrent(draftOf(bytesOf(3), said), webCryptoHasher)).toMatchObject(said);
  });

  it("tells the bytes hashed so far, and holds at most four pieces at a time", async () => {
    const bytes = bytesOf(20 * 16 * KiB + 5);
    let reading = 0;
    let most = 0;
    const told: number[] = [];
    const draft = draftOf(bytes, {
      read: async (offset, length) => {
        most = Math.max(most, ++reading);
        await Promise.resolve();
        reading--;
        return bytes.slice(offset, offset + length);
      },
    });
    await createTorrent(draft, webCryptoHasher, { onProgress: (hashed) => told.push(hashed) });
    expect(most).toBe(4);
    expect(told).toHaveLength(21);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told.at(-1)).toBe(bytes.length);
  });
});

describe("creating a torrent fails", () => {
  it.each<[string, Partial<TorrentDraft>, field: string]>([
    ["a name that leaves the folder", { fileName: "../x" }, "file_name"],
    ["a piece length that is no power of two", { pieceLength: 20_000 }, "piece_length"],
    ["too many pieces", { length: 131_072 * 16 * KiB + 1 }, "piece_length"],
    [
      "more bytes than pieces of 16 MiB can hold",
      { length: 2 ** 42, pieceLength: undefined },
      "piece_length",
    ],
    ["a length that is none", { length: Number.NaN }, "length"],
    ["files that do not sum up", { files: [{ path: "a", length: 7 }] }, "files"],
    ["files out of order", { files: ["b", "a"].map((path) => ({ path, length: 0 })) }, "files[1].path"],
    ["a tracker that is no URL", { trackers: ["here"] }, "trackers[0]"],
  ])("for %s, before a byte is read", async (_, change, field) => {
    const read = () => expect.unreachable("read");
    const draft = draftOf(bytesOf(1), { read, ...change });
    await expect(createTorrent(draft, webCryptoHasher)).rejects.toMatchObject({ field });
  });

  it("if the source ends early", async () => {
    const draft = draftOf(bytesOf(40 * KiB), { length: 48 * KiB });
    await expect(createTorrent(draft, webCryptoHasher)).rejects.toMatchObject({
      code: "failed_precondition",
    });
  });

  it("with what the source threw, once no read is under way any more", async () => {
    const broken = new Error("disk");
    let reading = 0;
    const read = async (offset: number, length: number) => {
      reading++;
      if (offset === 0) throw broken;
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      reading--;
      return new Uint8Array(length);
    };
    const draft = draftOf(new Uint8Array(), { length: 160 * KiB, read });
    await expect(createTorrent(draft, webCryptoHasher)).rejects.toBe(broken);
    expect(reading).toBe(1);
  });

  it("with the signal's reason, before its next piece", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    let hashed = 0;
    const onProgress = () => {
      if (++hashed === 2) stop.abort(reason);
    };
    const work = createTorrent(draftOf(bytesOf(160 * KiB)), webCryptoHasher, {
      onProgress,
      signal: stop.signal,
    });
    await expect(work).rejects.toBe(reason);
    expect(hashed).toBeLessThan(10);
  });
});
