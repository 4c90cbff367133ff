import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { webCryptoHasher } from "#core/base/hash.ts";
import { torrentToMessage } from "#core/rpc/torrent.ts";
import { torrentFromMessage } from "#core/rpc/torrent-fields.ts";
import { createTorrent } from "#core/torrent/create-torrent.ts";
import { parseTorrent, parseTorrentText, torrentJson, torrentText } from "#core/torrent/torrent-json.ts";
import { sha1Hex } from "../../../server/base/node-hasher.ts";
import { noise } from "../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;
const whole = noise(2 * PIECE + 5);
const draft = {
  fileName: "file.bin",
  length: whole.length,
  pieceLength: PIECE,
  read: async (offset: number, length: number) => whole.slice(offset, offset + length),
};
const make = () => createTorrent(draft, webCryptoHasher, { sha1: sha1Hex });

describe("the SHA-1 of pieces", () => {
  it("is in the torrent if it was asked for, and leaves the info hash as it is", async () => {
    const torrent = await make();
    const parts = [0, 1, 2].map((at) =>
      createHash("sha1")
        .update(whole.subarray(at * PIECE, (at + 1) * PIECE))
        .digest(),
    );
    expect(torrent.bittorrent).toEqual({ pieceSha1: Buffer.concat(parts).toString("base64") });
    const plain = await createTorrent(draft, webCryptoHasher);
    expect(plain.bittorrent).toBeUndefined();
    expect(torrent.infoHash).toBe(plain.infoHash);
  });

  it("stays in the torrent's text and in its message", async () => {
    const torrent = await make();
    expect(await parseTorrentText(torrentText(torrent), webCryptoHasher)).toEqual(torrent);
    expect(await torrentFromMessage(torrentToMessage(torrent), webCryptoHasher)).toEqual(torrent);
  });

  it.each([
    ["too short", (text: string) => text.slice(4)],
    ["too long", (text: string) => `${text}AAAA`],
    ["no base64", (text: string) => `*${text.slice(1)}`],
    ["of one byte less", (text: string) => text.replace(/.$/, "=").replace(/.=$/, "==")],
    ["no text", () => 5],
    ["missing", () => undefined],
  ])("is refused if it is %s", async (_, change) => {
    const json = torrentJson(await make());
    const wrong = { ...json, bittorrent: { piece_sha1: change(json.bittorrent!.piece_sha1) } };
    await expect(parseTorrent(wrong, webCryptoHasher)).rejects.toThrow("bittorrent.piece_sha1");
  });

  it("is refused in a torrent that does not tell its length", async () => {
    const { length: _, piece_length: __, info_hash: ___, ...json } = torrentJson(await make());
    await expect(parseTorrent(json, webCryptoHasher)).rejects.toThrow("must come with length");
  });
});
