import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeGetTorrent, encodeGetTorrent } from "#core/rpc/torrent-wire.ts";
import { GetTorrentRequestSchema, GetTorrentResponseSchema } from "#gen/pieza/v1/catalog_pb.ts";

const text = fc.string({ unit: "grapheme", maxLength: 40 });
const uint32 = fc.nat({ max: 0xffff_ffff });
const length = fc.maxSafeNat();
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 6 });

const torrents = fc.record(
  {
    fileName: text,
    totalPieces: uint32,
    pieces: list(fc.record({ number: uint32, hash: text })),
    infoHash: text,
    files: list(fc.record({ path: text, length })),
    trackers: list(text),
    comment: text,
    createdAt: text,
    length,
    pieceLength: uint32,
    replicationTarget: uint32,
    bittorrent: fc.record({ pieceSha1: text }),
  },
  {
    requiredKeys: [
      ...(["fileName", "totalPieces", "pieces", "infoHash", "files", "trackers"] as const),
      ...(["comment", "createdAt"] as const),
    ],
  },
);

it("a catalog's torrent in binary is read as the library writes it, what is absent and what is 0 apart", () => {
  fc.assert(
    fc.property(text, torrents, (name, torrent) => {
      const message = create(GetTorrentResponseSchema, {
        name,
        torrent: {
          ...torrent,
          files: torrent.files.map((file) => ({ ...file, length: BigInt(file.length) })),
          length: torrent.length === undefined ? undefined : BigInt(torrent.length),
        },
      });
      const read = decodeGetTorrent(toBinary(GetTorrentResponseSchema, message));
      expect(read).toEqual({ name, torrent });
    }),
  );
});

it("an answer without a torrent has none", () => {
  expect(decodeGetTorrent(new Uint8Array(0))).toEqual({ name: "", torrent: undefined });
});

it.each([{ name: "ñandú" }, { infoHash: "ab".repeat(32) }])("asks for %o as the library does", (key) => {
  const [[field, value] = []] = Object.entries(key);
  expect(fromBinary(GetTorrentRequestSchema, encodeGetTorrent(key)).key).toEqual({ case: field, value });
});
