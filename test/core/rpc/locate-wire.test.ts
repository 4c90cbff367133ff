import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeLocateAnswer, encodeLocateRequest } from "#core/rpc/locate-wire.ts";
import { LocatePiecesRequestSchema, LocatePiecesResponseSchema } from "#gen/pieza/v1/tracker_pb.ts";

const text = fc.string({ unit: "grapheme", maxLength: 40 });
const bytes = fc.uint8Array({ maxLength: 300 });
const uint32 = fc.nat({ max: 0xffff_ffff });
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 8 });

const answers = fc.record({
  infoHash: text,
  totalPieces: uint32,
  peers: list(fc.record({ url: text, complete: fc.boolean(), bitfield: bytes, unchanged: fc.boolean() })),
  turn: uint32,
  trackerId: text,
  nextLocateMs: uint32,
  seedPeers: list(fc.record({ url: text, declared: bytes })),
  seedPieces: list(fc.record({ number: uint32, hash: text })),
  revision: bytes,
});

describe("LocatePieces in binary", () => {
  it("is read as the library reads it", () => {
    fc.assert(
      fc.property(answers, ({ infoHash, ...answer }) => {
        const message = create(LocatePiecesResponseSchema, { infoHash, ...answer });
        expect(decodeLocateAnswer(toBinary(LocatePiecesResponseSchema, message))).toEqual(answer);
      }),
    );
  });

  it("is written so that the library reads it", () => {
    const requests = fc.record({
      ...{ infoHash: text, fileName: text, totalPieces: uint32, since: bytes, zone: text },
    });
    fc.assert(
      fc.property(requests, (request) => {
        const { $typeName, ...read } = fromBinary(LocatePiecesRequestSchema, encodeLocateRequest(request));
        expect(read).toEqual(request);
      }),
    );
  });

  it("may have fields that we do not know, of every kind", () => {
    const unknown = [
      ...[0xf8, 0x07, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      ...[0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8],
      ...[0xfa, 0x07, 2, 9, 9],
      ...[0xfd, 0x07, 1, 2, 3, 4],
    ];
    expect(decodeLocateAnswer(Uint8Array.from([...unknown, 0x20, 7]))).toMatchObject({ turn: 7 });
  });

  it("is refused where it is cut off or no message at all, and never read past its end", () => {
    const whole = toBinary(
      LocatePiecesResponseSchema,
      create(LocatePiecesResponseSchema, { trackerId: "tracker", revision: new Uint8Array(200) }),
    );
    for (let end = whole.length - 1; end > 9; end--) {
      expect(() => decodeLocateAnswer(whole.subarray(0, end))).toThrow("not a valid message");
    }
    fc.assert(
      fc.property(bytes, (noise) => {
        try {
          decodeLocateAnswer(noise);
        } catch (error) {
          expect(error).toMatchObject({ code: "unavailable" });
        }
      }),
    );
  });
});
