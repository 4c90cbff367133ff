import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { AnnounceEvent, AnnounceRequestSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { parseAnnounce } from "../../../../server/tracker/announce/announce-message.ts";
import { infoHash } from "../../../support/swarms/router-tracker.ts";

it("what a lease keeps of an announce is 32 bytes, and not the whole request that they came in", () => {
  const torrent = { infoHash: infoHash("a"), totalPieces: 100_000, fileName: "file", revision: 1n };
  const bitfield = new Uint8Array(12_500).fill(0xff);
  const identifyKey = new Uint8Array(32).fill(7);
  const sent = create(AnnounceRequestSchema, {
    event: AnnounceEvent.STARTED,
    port: 1,
    identifyKey,
    torrents: [{ ...torrent, bitfield }],
  });
  const received = fromBinary(AnnounceRequestSchema, toBinary(AnnounceRequestSchema, sent));
  expect(received.identifyKey.buffer.byteLength, "decoded as a view of all").toBeGreaterThan(12_500);
  const { address } = parseAnnounce(received);
  expect(address!.identifyKey).toEqual(identifyKey);
  expect(address!.identifyKey.buffer.byteLength).toBe(32);
});
