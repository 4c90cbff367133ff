import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkValues, MalformedMessage, mostValues } from "#core/rpc/message-bounds.ts";
import { MAX_PIECES } from "#core/torrent/piece.ts";
import { PublishTorrentRequestSchema } from "#gen/pieza/v1/catalog_pb.ts";
import {
  AnnounceRequestSchema,
  LocatePiecesResponseSchema,
  ScrapeRequestSchema,
} from "#gen/pieza/v1/tracker_pb.ts";
import { RegisterPeerRequestSchema } from "#gen/tracker_pb.ts";
import { field, manyEmpty } from "../../support/wire/bombs.ts";

const all: readonly DescMessage[] = [
  PublishTorrentRequestSchema,
  AnnounceRequestSchema,
  LocatePiecesResponseSchema,
  RegisterPeerRequestSchema,
];

describe("the values of a message", () => {
  it.each([
    ["pieces of a torrent", PublishTorrentRequestSchema, field(2, manyEmpty(3, 131_073)), "pieces: must be"],
    ["files of a torrent", PublishTorrentRequestSchema, field(2, manyEmpty(7, 524_289)), "files: must be"],
    ["torrents of an announce", AnnounceRequestSchema, manyEmpty(8, 1_025), "torrents: must be at most 1024"],
    ["files of a registration", RegisterPeerRequestSchema, manyEmpty(2, 1_025), "file_info: must be"],
    ["pieces of a registration", RegisterPeerRequestSchema, field(2, manyEmpty(3, 600_000)), "more fields"],
    ["names of any other message", ScrapeRequestSchema, manyEmpty(1, 70_000), "more fields"],
    ["fields that nobody knows", ScrapeRequestSchema, manyEmpty(15, 70_000), "more fields"],
    [
      "ranges of what a volunteer drops",
      AnnounceRequestSchema,
      field(13, manyEmpty(3, 70_000)),
      "more fields",
    ],
  ])("are bounded before they become objects: %s", (_what, schema, bytes, problem) => {
    expect(() => checkValues(schema, bytes)).toThrow(problem);
  });

  it("may be those of the largest torrent", () => {
    const piece = { number: 1, hash: "a".repeat(64) };
    const torrent = { pieces: Array(MAX_PIECES).fill(piece) };
    const message = create(PublishTorrentRequestSchema, { torrent });
    checkValues(PublishTorrentRequestSchema, toBinary(PublishTorrentRequestSchema, message));
  });

  it("cannot hide behind a tag of another type, as which the library would not read them", () => {
    // The library reads 0x18 (field 3, varint) as a message of the bytes behind it.
    const hidden = Buffer.concat([Buffer.from([0x18]), field(3, manyEmpty(1, 5)).subarray(1)]);
    expect(fromBinary(RegisterPeerRequestSchema, field(2, hidden)).fileInfo[0]!.pieces).toHaveLength(1);
    expect(() => checkValues(RegisterPeerRequestSchema, field(2, hidden))).toThrow(MalformedMessage);
  });

  it("are never fewer than the objects that the library makes of any bytes", () => {
    const bytes = fc.array(
      fc.oneof(
        fc.constantFrom(0x0a, 0x12, 0x1a, 0x18, 0x42, 0x6a, 0x10, 0, 1, 2, 3, 8),
        fc.integer({ min: 0, max: 255 }),
      ),
      { maxLength: 64 },
    );
    const property = fc.property(bytes, fc.constantFrom(...all), (list, schema) => {
      const bytes = Uint8Array.from(list);
      let message: unknown;
      try {
        checkValues(schema, bytes);
        message = fromBinary(schema, bytes, { readUnknownFields: false });
      } catch {
        return true;
      }
      return objectsIn(message) <= Math.min(list.length, mostValues(schema));
    });
    fc.assert(property, { numRuns: 5_000 });
  });
});

/** Messages inside a message. */
function objectsIn(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + objectsIn(one), 0);
  if (!isMessage(value)) return 0;
  const inner = Object.values(value);
  return inner.flat().filter(isMessage).length + inner.reduce((sum: number, one) => sum + objectsIn(one), 0);
}

function isMessage(value: unknown): value is object {
  return typeof value === "object" && value !== null && "$typeName" in value;
}
