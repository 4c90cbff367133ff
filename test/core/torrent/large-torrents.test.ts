import { toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { sha256, webCryptoHasher } from "#core/base/hash.ts";
import { encodeTorrent, torrentToMessage } from "#core/rpc/torrent.ts";
import { canonicalJson } from "#core/torrent/canonical-json.ts";
import { infoHashOf } from "#core/torrent/info-hash.ts";
import { parseLongJson } from "#core/torrent/json-text.ts";
import { parseTorrent, parseTorrentText, torrentBytes, torrentText } from "#core/torrent/torrent-json.ts";
import { TorrentSchema } from "#gen/pieza/v1/torrent_pb.ts";

const PIECES = 20_000;
const PIECE_LENGTH = 1 << 14;
/** Work between two breaths is on so many pieces and files at most. */
const MOST_AT_ONCE = 4_096;

function counting() {
  const count = { breaths: 0, breathe: () => void count.breaths++ as undefined };
  return count;
}

const hashOf = (n: number) => n.toString(16).padStart(64, "0");

/** A folder torrent whose pieces and files are too many for one slice. */
function large(breathe?: () => undefined) {
  const files = Array.from({ length: PIECES }, (_, n) => ({
    path: `d/${String(n).padStart(6, "0")} é`,
    length: PIECE_LENGTH,
  }));
  const pieces = Array.from({ length: PIECES }, (_, n) => ({ number: n + 1, hash: hashOf(n) }));
  const lengths = { length: PIECES * PIECE_LENGTH, piece_length: PIECE_LENGTH };
  const remarks = { trackers: ["http://127.0.0.1:1"], comment: "a", replication_target: 2 };
  const json = { file_name: "d", total_pieces: PIECES, ...lengths, files, pieces, ...remarks };
  return parseTorrent(json, webCryptoHasher, breathe);
}

describe("a torrent of many pieces and files lets others in", () => {
  it("while it is parsed, hashed, written, read and encoded, and is the same as in one go", async () => {
    const parsing = counting();
    const torrent = await large(parsing.breathe);
    const hashing = counting();
    const { fileName, pieces, lengths, files } = torrent;
    const identity = { file_name: fileName, length: lengths!.length, piece_length: lengths!.pieceLength };
    const text = canonicalJson({ ...identity, pieces, files: files!.map((file) => ({ ...file })) });
    const wanted = await sha256(webCryptoHasher, new TextEncoder().encode(text));
    expect(await infoHashOf(torrent, webCryptoHasher, hashing.breathe)).toBe(wanted);
    const writing = counting();
    const bytes = await torrentBytes(torrent, writing.breathe);
    expect(Buffer.from(bytes).toString()).toBe(torrentText(torrent));
    const reading = counting();
    const read = await parseTorrentText(Buffer.from(bytes).toString(), webCryptoHasher, reading.breathe);
    expect(read).toEqual(torrent);
    // The check of the JSON lets others in too, besides the reading of what it holds.
    expect(reading.breaths).toBeGreaterThan(1.2 * (parsing.breaths + hashing.breaths));
    const encoding = counting();
    const message = await encodeTorrent(torrent, encoding.breathe);
    expect(Buffer.compare(message, toBinary(TorrentSchema, torrentToMessage(torrent)))).toBe(0);
    for (const { breaths } of [parsing, hashing, writing, reading, encoding])
      expect(breaths).toBeGreaterThan((2 * PIECES) / MOST_AT_ONCE);
  });
});

describe("JSON in slices", () => {
  const inSlices = async (text: string) => {
    const { breathe } = counting();
    return parseLongJson(text, "torrent", 1 << 24, breathe);
  };
  const list = Array.from({ length: 30_000 }, (_, n) => ({ n, text: `é"],[{${n}`, list: [n, [], {}] }));

  it.each([
    ["several long lists", { a: 1, list, b: { list }, c: list, d: [list], e: [] }],
    ["a list that is not in an object", list],
    ["a key that is a prototype's", JSON.parse(`{"__proto__": ${JSON.stringify(list)}, "x": 1}`)],
    ["no list", { a: "x".repeat(1 << 20) }],
  ])("is what JSON.parse makes of it: %s", async (_, value) => {
    for (const space of [undefined, 2]) {
      const text = JSON.stringify(value, null, space);
      expect(JSON.stringify(await inSlices(text))).toBe(JSON.stringify(value));
    }
  });

  it.each([
    [(text: string) => text.slice(0, -2), /not JSON/],
    [(text: string) => `${text}]`, /not JSON/],
    [(text: string) => text.replace('{"n":29999', '{,"n":29999'), /not JSON/],
    [(text: string) => text.replace('{"n":29999', '{"n":0,"n":29999'), /key twice/],
  ])("is refused late in a long list, as in one go: %#", async (spoil, why) => {
    await expect(inSlices(spoil(JSON.stringify({ list })))).rejects.toThrow(why);
  });
});
