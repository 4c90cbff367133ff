import { create } from "@bufbuild/protobuf";
import { createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import {
  AnnounceEvent,
  type AnnounceRequest,
  AnnounceResponseSchema,
  LocatePiecesResponseSchema,
  TrackerService,
} from "#gen/pieza/v1/tracker_pb.ts";

const infoHash = "cd".repeat(32);
const never = new AbortController().signal;
const lease = { id: "lease", secret: "0".repeat(32) };

function tracker(implementation: Partial<ServiceImpl<typeof TrackerService>>) {
  const transport = createRouterTransport((router) => router.service(TrackerService, implementation));
  return remoteTracker({ url: "http://tracker.test", transport });
}

describe("announcing", () => {
  it("sends what a peer says, and reads the answer", async () => {
    const asked: AnnounceRequest[] = [];
    const remote = tracker({
      announce(request: AnnounceRequest) {
        asked.push(request);
        return create(AnnounceResponseSchema, {
          leaseId: lease.id,
          leaseSecret: lease.secret,
          trackerId: "t",
          nextAnnounceMs: 10_000,
          listed: true,
          url: "http://10.0.0.1:5",
          resend: [infoHash],
        });
      },
    });
    const answer = await remote.announce(
      {
        event: "started",
        address: { port: 5, publicUrl: "http://peer.test:5", tls: false, identifyKey: new Uint8Array(32) },
        torrents: [
          { infoHash, totalPieces: 3, fileName: "a", revision: 7, bitfield: Bitfield.of(3, [1]) },
          { infoHash, totalPieces: 3, fileName: "b", revision: 8, bitfield: Bitfield.full(3) },
          { infoHash, totalPieces: 3, fileName: "c", revision: 9 },
        ],
        left: ["ee"],
      },
      never,
    );
    expect(asked[0]).toMatchObject({
      event: AnnounceEvent.STARTED,
      leaseId: "",
      port: 5,
      publicUrl: "http://peer.test:5",
      left: ["ee"],
      torrents: [
        { revision: 7n, complete: false, bitfield: Uint8Array.of(0x40) },
        { revision: 8n, complete: true },
        { revision: 9n, complete: false },
      ],
    });
    expect(asked[0]?.torrents.slice(1).map((torrent) => torrent.bitfield)).toEqual([undefined, undefined]);
    expect(answer).toEqual({
      lease,
      trackerId: "t",
      nextAnnounceMs: 10_000,
      listed: true,
      notListedReason: "",
      url: "http://10.0.0.1:5",
      resend: [infoHash],
      orders: [],
      grants: [],
      lastCopies: 0,
    });
  });

  it("takes no source of an order that is no address", async () => {
    const sources = [
      "http://",
      "http://10.0.0.1:5",
      "http://10.0.0.2:99999",
      "http://a\u001b[2J",
      "file:///a",
    ];
    const order = { orderId: "1", infoHash, totalPieces: 3, ranges: [{ first: 1, last: 3 }], sources };
    const remote = tracker({ announce: () => ({ leaseId: "l", leaseSecret: "s", orders: [order] }) });
    const { orders } = await remote.announce({ event: "heartbeat", torrents: [], left: [] }, never);
    expect(orders).toMatchObject([{ id: "1", sources: ["http://10.0.0.1:5"] }]);
  });

  it("keeps the secret that only the first answer tells", async () => {
    const remote = tracker({ announce: () => ({ leaseId: lease.id, nextAnnounceMs: 4_000 }) });
    const answer = await remote.announce({ event: "heartbeat", lease, torrents: [], left: [] }, never);
    expect(answer.lease).toEqual(lease);
  });

  it("fails for an answer without a lease", async () => {
    const call = tracker({ announce: () => ({}) }).announce(
      { event: "started", torrents: [], left: [] },
      never,
    );
    await expect(call).rejects.toMatchObject({ name: "PiezaError", code: "internal" });
  });

  it.each([
    [0, 250],
    [4_294_967_295, 300_000],
  ])("takes an interval of %i ms as %i", async (nextAnnounceMs, taken) => {
    const remote = tracker({ announce: () => ({ leaseId: "l", leaseSecret: "s", nextAnnounceMs }) });
    const answer = await remote.announce({ event: "heartbeat", torrents: [], left: [] }, never);
    expect(answer.nextAnnounceMs).toBe(taken);
  });
});

describe("locating", () => {
  const swarm = { infoHash, totalPieces: 3 };
  const answering = (answer: object) =>
    tracker({ locatePieces: () => create(LocatePiecesResponseSchema, { ...swarm, ...answer }) });

  it("leaves out and counts peers that are no addresses, of either contract", async () => {
    const hash = "ab".repeat(32);
    const remote = answering({
      peers: ["http://", "http://a:1", "http://a:99999"].map((url) => ({ url, complete: true })),
      seedPeers: ["http://b:1", "\u001b[2J"].map((url) => ({ url, declared: Uint8Array.of(0x80) })),
      seedPieces: [{ number: 1, hash }],
    });
    const table = await remote.locate({ ...swarm, fileName: "a", pieces: [hash, hash, hash] }, never);
    expect(table.peers.map(({ url }) => url)).toEqual(["http://a:1", "http://b:1"]);
    expect(table.badUrls).toBe(3);
  });

  it("reads the table in its order", async () => {
    const remote = answering({
      turn: 5,
      trackerId: "t",
      nextLocateMs: 2_000,
      peers: [
        { url: "http://a", complete: true },
        { url: "http://b", bitfield: Uint8Array.of(0x20) },
      ],
    });
    const table = await remote.locate(swarm, never);
    expect(table.peers.map(({ url, bitfield }) => [url, [...bitfield]])).toEqual([
      ["http://a", [0, 1, 2]],
      ["http://b", [2]],
    ]);
    expect([table.turn, table.trackerId, table.nextLocateMs]).toEqual([5, "t", 2_000]);
  });

  it("says what it has, and takes what is unchanged from there", async () => {
    const asked: string[] = [];
    const answers = [
      { revision: Uint8Array.of(1), peers: [{ url: "http://a", bitfield: Uint8Array.of(0x20) }] },
      {
        revision: Uint8Array.of(2),
        peers: [
          { url: "http://a", unchanged: true },
          { url: "http://b", unchanged: true },
        ],
      },
      { peers: [{ url: "http://a", bitfield: Uint8Array.of(0x40) }] },
      { peers: [] },
    ];
    const remote = tracker({
      locatePieces({ since }) {
        asked.push(since.toString());
        return create(LocatePiecesResponseSchema, { ...swarm, ...answers.shift() });
      },
    });
    const held = async () =>
      (await remote.locate(swarm, never)).peers.map(({ url, bitfield }) => [url, [...bitfield]]);
    expect(await held()).toEqual([["http://a", [2]]]);
    expect(await held()).toEqual([
      ["http://a", [2]],
      ["http://b", []],
    ]);
    expect(await held()).toEqual([["http://a", [1]]]);
    await held();
    expect(asked).toEqual(["", "1", "2", ""]);
  });

  it("takes 50 peers of a tracker that names more", async () => {
    const peers = Array.from({ length: 60 }, (_, n) => ({ url: `http://p${n}`, complete: true }));
    expect((await answering({ peers }).locate(swarm, never)).peers.length).toBe(50);
  });

  it.each([
    ["another number of pieces", { totalPieces: 4 }],
    ["a bitfield that is none", { peers: [{ url: "http://b", bitfield: new Uint8Array(9) }] }],
  ])("fails for %s", async (_what, answer) => {
    await expect(answering(answer).locate(swarm, never)).rejects.toHaveProperty("code");
  });

  it("rejects with the signal's own reason", async () => {
    const abort = new AbortController();
    const asked = Promise.withResolvers<void>();
    const remote = tracker({
      locatePieces(_, { signal }) {
        asked.resolve();
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    });
    const reason = new Error("enough");
    const failed = expect(remote.locate(swarm, abort.signal)).rejects.toBe(reason);
    await asked.promise;
    abort.abort(reason);
    await failed;
  });
});
