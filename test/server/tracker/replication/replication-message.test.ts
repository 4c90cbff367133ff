import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { InvalidField } from "#core/base/errors.ts";
import type { Announce, Announced } from "#core/ports/tracker.ts";
import { ordersOf, replicationOf } from "#core/rpc/replication.ts";
import { AnnounceRequestSchema, AnnounceResponseSchema, type FailureKind } from "#gen/pieza/v1/tracker_pb.ts";
import {
  announceAnswer,
  parseReplication,
} from "../../../../server/tracker/replication/replication-message.ts";

const infoHash = "a".repeat(64);
const pieces = {
  infoHash,
  totalPieces: 10,
  ranges: [
    { first: 0, last: 0 },
    { first: 3, last: 9 },
  ],
};

const parse = (request: MessageInitShape<typeof AnnounceRequestSchema>) =>
  parseReplication(create(AnnounceRequestSchema, request));

test("what a peer says of copies arrives as it was said", () => {
  const said = {
    zone: "north",
    volunteer: { capacityBytes: 50 * 2 ** 30, freeBytes: 7, bytesPerSecond: 0 },
    declined: [{ id: "one", reason: "no-space" }],
    drops: [pieces],
    failures: [{ url: "http://127.0.0.1:1", infoHash, kind: "wrong-piece" }],
  } as const;
  const announce: Announce = { event: "heartbeat", torrents: [], left: [], ...said };
  const sent = create(AnnounceRequestSchema, { zone: said.zone, ...replicationOf(announce) });
  const came = fromBinary(AnnounceRequestSchema, toBinary(AnnounceRequestSchema, sent));
  expect(parseReplication(came)).toEqual(said);
});

test("orders and grants arrive as they were given", () => {
  const given = {
    orders: [{ ...pieces, id: "one", sources: ["http://127.0.0.1:1"], expiresMs: 30_000 }],
    grants: [pieces],
    lastCopies: 3,
  };
  const announced: Announced = {
    lease: { id: "lease", secret: "secret" },
    trackerId: "tracker",
    nextAnnounceMs: 4_000,
    listed: true,
    notListedReason: "",
    url: "http://127.0.0.1:2",
    resend: [],
    ...given,
  };
  const sent = create(AnnounceResponseSchema, announceAnswer(announced, "secret"));
  const came = fromBinary(AnnounceResponseSchema, toBinary(AnnounceResponseSchema, sent));
  expect(ordersOf(came)).toEqual(given);
  expect(came.leaseSecret).toBe("");
});

test.each([
  [
    "ranges that overlap",
    [
      { first: 1, last: 4 },
      { first: 4, last: 5 },
    ],
  ],
  [
    "ranges out of order",
    [
      { first: 5, last: 6 },
      { first: 1, last: 2 },
    ],
  ],
  ["a range that ends before it begins", [{ first: 5, last: 4 }]],
  ["piece number 0", [{ first: 0, last: 4 }]],
  ["a piece behind the last", [{ first: 1, last: 11 }]],
])("%s are refused by a tracker, and a volunteer does not believe those that are none", (what, ranges) => {
  const drops = [{ infoHash, totalPieces: 10, ranges }];
  expect(() => parse({ drops })).toThrow(InvalidField);
  const none = what !== "ranges that overlap" && what !== "ranges out of order";
  const answer = create(AnnounceResponseSchema, { grants: drops });
  expect(ordersOf(answer).grants).toHaveLength(none ? 0 : 1);
});

test("a tracker takes no more than it says", () => {
  const failure = { url: "http://127.0.0.1:1", infoHash, kind: 1 };
  expect(parse({ failures: Array(64).fill(failure) }).failures).toHaveLength(64);
  expect(() => parse({ failures: Array(65).fill(failure) })).toThrow(InvalidField);
  expect(() => parse({ zone: "z".repeat(65) })).toThrow(InvalidField);
  expect(() => parse({ volunteer: { capacityBytes: 2n ** 60n } })).toThrow(InvalidField);
  expect(parse({ volunteer: { capacityBytes: 1n, freeBytes: 2n } }).volunteer?.freeBytes).toBe(1);
  expect(() => parse({ drops: Array(1_025).fill({ infoHash, totalPieces: 1 }) })).toThrow(InvalidField);
});

test("a kind of failure that this tracker does not know is passed over", () => {
  expect(
    parse({ failures: [{ url: "http://127.0.0.1:1", infoHash, kind: 99 as FailureKind }] }).failures,
  ).toEqual([]);
});
