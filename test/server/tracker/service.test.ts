import { toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { AnnounceEvent, LocatePiecesResponseSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { infoHash, RouterTracker } from "../../support/swarms/router-tracker.ts";

let tracker: RouterTracker;
beforeEach(() => {
  tracker = new RouterTracker();
});
afterEach(async () => {
  await tracker.close();
  expect(tracker.defects).toEqual([]);
  expect(tracker.clock.pending, "timers left").toBe(0);
});

const torrent = (digit = "a", more: object = {}) => ({
  infoHash: infoHash(digit),
  fileName: "file.bin",
  totalPieces: 4,
  revision: 1n,
  complete: true,
  ...more,
});
const started = async (port: number, torrents = [torrent()], more: object = {}) => {
  const client = tracker.client();
  const { leaseId, leaseSecret } = await client.announce({
    event: AnnounceEvent.STARTED,
    port,
    torrents,
    ...more,
  });
  return { leaseId, leaseSecret };
};
const locate = (query: object = { infoHash: infoHash("a") }) => tracker.client().locatePieces(query);
const named = async () => (await locate()).peers.map(({ url }) => url);

describe("who may change a lease", () => {
  const event = AnnounceEvent.STOPPED;

  it("nobody without the secret: unauthenticated, and the peer stays", async () => {
    const { leaseId } = await started(1);
    const client = tracker.client();
    for (const request of [{ event }, { event, leaseId }, { event, leaseSecret: "0".repeat(32) }]) {
      await expect(client.announce(request)).rejects.toMatchObject({ code: Code.Unauthenticated });
    }
    expect(await named()).toEqual(["http://127.0.0.1:1"]);
  });

  it("nobody with a wrong secret: permission_denied, and the peer stays", async () => {
    const { leaseId } = await started(1);
    const wrong = { leaseId, leaseSecret: "0".repeat(32) };
    for (const event of [AnnounceEvent.STOPPED, AnnounceEvent.DRAINING, AnnounceEvent.STARTED]) {
      await expect(tracker.client().announce({ event, ...wrong })).rejects.toMatchObject({
        code: Code.PermissionDenied,
      });
    }
    await expect(tracker.client().announce({ ...wrong, left: [infoHash("a")] })).rejects.toThrow();
    expect(await named()).toEqual(["http://127.0.0.1:1"]);
  });

  it("an unknown or expired lease is not_found, so that its peer starts again", async () => {
    const lease = await started(1);
    await tracker.clock.tick(30_000);
    await expect(tracker.client().announce(lease)).rejects.toMatchObject({ code: Code.NotFound });
    await started(1);
    expect(await named()).toEqual(["http://127.0.0.1:1"]);
  });

  it("a held address is already_exists to others until the lease has ended", async () => {
    await started(1);
    await expect(started(1)).rejects.toMatchObject({ code: Code.AlreadyExists });
    await expect(started(1, [torrent()], { tls: true })).rejects.toMatchObject({ code: Code.AlreadyExists });
    await tracker.clock.tick(30_000);
    await started(1);
  });

  it("whoever knows the key of the lease that holds an address has lost only the answer", async () => {
    const identifyKey = new Uint8Array(32).fill(7);
    await started(1, [torrent()], { identifyKey });
    await expect(started(1, [torrent()], { identifyKey: new Uint8Array(32).fill(8) })).rejects.toThrow();
    await started(1, [torrent()], { identifyKey });
    expect(await named()).toEqual(["http://127.0.0.1:1"]);
  });

  it("a proof that the new holder answers there overrules the lease", async () => {
    await tracker.close();
    tracker = new RouterTracker(tracker.clock, {
      reachability: { check: async () => ({ listed: true, reason: "", proven: true }) },
    });
    const before = await started(1);
    await started(1);
    await expect(tracker.client().announce(before)).rejects.toMatchObject({ code: Code.NotFound });
    expect(await named()).toEqual(["http://127.0.0.1:1"]);
  });

  it("a restarted peer takes up its lease, and what it no longer has is gone", async () => {
    const lease = await started(1, [torrent("a"), torrent("b")]);
    const again = await tracker.client().announce({
      event: AnnounceEvent.STARTED,
      port: 1,
      ...lease,
      torrents: [torrent("a", { complete: false, bitfield: Uint8Array.of(0x40) })],
    });
    expect(again).toMatchObject({ leaseId: lease.leaseId, leaseSecret: "" });
    expect((await locate()).peers[0]).toMatchObject({ complete: false, bitfield: Uint8Array.of(0x40) });
    await expect(locate({ infoHash: infoHash("b") })).rejects.toMatchObject({ code: Code.NotFound });
  });

  it("a peer that moved gets a new lease, and its old address is free", async () => {
    const lease = await started(1);
    expect((await started(2, [torrent()], lease)).leaseId).not.toBe(lease.leaseId);
    expect(await named()).toEqual(["http://127.0.0.1:2"]);
    await started(1);
  });
});

describe("what an announce does", () => {
  it("DRAINING: counted, and named to nobody new", async () => {
    const lease = await started(1);
    await started(2);
    await tracker.client().announce({ event: AnnounceEvent.DRAINING, ...lease });
    await tracker.client().announce(lease);
    expect(await named()).toEqual(["http://127.0.0.1:2"]);
    expect((await tracker.client().scrape({})).swarms[0]).toMatchObject({ seeders: 2 });
  });

  it("STOPPED: gone at once", async () => {
    const lease = await started(1);
    await tracker.client().announce({ event: AnnounceEvent.STOPPED, ...lease });
    await expect(locate()).rejects.toMatchObject({ code: Code.NotFound });
    expect((await tracker.client().scrape({})).swarms).toEqual([]);
  });

  it("asks for the bitfield of a revision that it lacks", async () => {
    const lease = await started(1, [torrent("a", { complete: false, bitfield: Uint8Array.of(0x80) })]);
    const revision = (n: bigint) => torrent("a", { complete: false, revision: n });
    expect((await tracker.client().announce({ ...lease, torrents: [revision(1n)] })).resend).toEqual([]);
    expect((await tracker.client().announce({ ...lease, torrents: [revision(2n)] })).resend).toEqual([
      infoHash("a"),
    ]);
    expect((await locate()).peers[0]?.bitfield).toEqual(Uint8Array.of(0x80));
  });

  it("a peer that asks for too much keeps its lease", async () => {
    await tracker.close();
    tracker = new RouterTracker(tracker.clock, { trackerLimits: { maxTorrentsPerLease: 1 } });
    const lease = await started(1);
    await tracker.clock.tick(29_000);
    await expect(tracker.client().announce({ ...lease, torrents: [torrent("b")] })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
    await tracker.clock.tick(29_000);
    expect(await named()).toEqual(["http://127.0.0.1:1"]);
  });

  it("tells a heartbeat of 10 s, spread by a fifth either way", async () => {
    const told = [];
    for (const random of [0, 0.5, 0.999999]) {
      const { clock } = tracker;
      await tracker.close();
      tracker = new RouterTracker(clock, { random: () => random });
      told.push((await tracker.client().announce({ event: AnnounceEvent.STARTED, port: 1 })).nextAnnounceMs);
    }
    expect(told).toEqual([8_000, 10_000, 12_000]);
  });

  it("a peer outside the tracker's networks has a lease and is not listed", async () => {
    const answer = await tracker.client("10.0.0.5").announce({
      event: AnnounceEvent.STARTED,
      port: 1,
      torrents: [torrent()],
    });
    expect(answer).toMatchObject({ listed: false, notListedReason: expect.stringContaining("10.0.0.5") });
    expect(await named()).toEqual([]);
    expect((await tracker.client().scrape({})).swarms[0]).toMatchObject({ seeders: 1, minAvailability: 0 });
    const publicUrl = "http://10.0.0.5:7000";
    await expect(started(1, [], { publicUrl })).rejects.toMatchObject({ code: Code.PermissionDenied });
  });

  it.each([
    ["info hash", { torrents: [torrent("a", { infoHash: "abcd" })] }, /torrents\[0\]\.info_hash/],
    ["empty name", { torrents: [torrent("a", { fileName: "" })] }, /file_name/],
    ["name of 256 bytes", { torrents: [torrent("a", { fileName: "ñ".repeat(128) })] }, /file_name/],
    ["0 pieces", { torrents: [torrent("a", { totalPieces: 0 })] }, /total_pieces/],
    ["131,073 pieces", { torrents: [torrent("a", { totalPieces: 131_073 })] }, /total_pieces/],
    ["huge revision", { torrents: [torrent("a", { revision: 2n ** 60n })] }, /revision/],
    [
      "long bitfield",
      { torrents: [torrent("a", { complete: false, bitfield: new Uint8Array(2) })] },
      /bitfield/,
    ],
    ["spare bit", { torrents: [torrent("a", { complete: false, bitfield: Uint8Array.of(1) })] }, /bitfield/],
    ["left", { left: ["x"] }, /left\[0\]/],
    ["key", { identifyKey: new Uint8Array(31) }, /identify_key/],
    ["1,025 torrents", { torrents: Array.from({ length: 1_025 }, () => torrent()) }, /torrents/],
    ["port", { port: 65_536 }, /port/],
    ["event", { event: 9 }, /event/],
    ["public URL", { publicUrl: "http://127.0.0.1:1/x" }, /public_url/],
  ])(
    "bad %s is invalid_argument that names the field, and nothing has changed",
    async (_, bad: object, field) => {
      const request = { event: AnnounceEvent.STARTED, port: 1, torrents: [torrent("b")], ...bad };
      await expect(tracker.client().announce(request)).rejects.toMatchObject({
        code: Code.InvalidArgument,
        rawMessage: expect.stringMatching(field),
      });
      expect(await tracker.store.counts()).toEqual({ leases: 0, swarms: 0 });
    },
  );
});

describe("LocatePieces", () => {
  it("names complete peers without a bitfield, and grows turn by one an answer", async () => {
    await started(1);
    await started(2, [torrent("a", { complete: false, bitfield: Uint8Array.of(0xa0) })]);
    const first = await locate();
    expect(first).toMatchObject({ totalPieces: 4, trackerId: tracker.trackerId, nextLocateMs: 5_000 });
    expect(first.peers).toMatchObject([
      { url: "http://127.0.0.1:1", complete: true, bitfield: new Uint8Array() },
      { url: "http://127.0.0.1:2", complete: false, bitfield: Uint8Array.of(0xa0) },
    ]);
    for (let n = 1; n <= 3; n++) expect((await locate()).turn).toBe(first.turn + n);
  });

  it("counts the turns of each swarm by itself", async () => {
    await started(1, [torrent("a"), torrent("b"), torrent("a", { totalPieces: 5 })]);
    await started(2);
    const turns = async (digit: string) => (await locate({ infoHash: infoHash(digit), totalPieces: 4 })).turn;
    const [a, b] = [await turns("a"), await turns("b")];
    for (let n = 1; n <= 3; n++) expect([await turns("a"), await turns("b")]).toEqual([a + n, b + n]);
  });

  it("names at most 50, and the others in its next answer", async () => {
    for (let port = 1; port <= 60; port++) await started(port);
    const [one, two] = [await named(), await named()];
    expect(Math.max(one.length, two.length)).toBeLessThanOrEqual(50);
    expect(new Set([...one, ...two]).size).toBe(60);
  });

  it("answers in 700 KB with 50 peers of half of 100,000 pieces", async () => {
    const bitfield = new Uint8Array(100_000 / 8).fill(0x55);
    for (let port = 1; port <= 50; port++)
      await started(port, [torrent("a", { totalPieces: 100_000, complete: false, bitfield })]);
    const answer = await locate();
    expect(answer.peers).toHaveLength(50);
    expect(toBinary(LocatePiecesResponseSchema, answer).length).toBeLessThanOrEqual(700_000);
  });

  it("by name or without a number of pieces, if that is clear", async () => {
    await started(1, [torrent("a"), torrent("b", { fileName: "other" })]);
    expect((await locate({ fileName: "other" })).infoHash).toBe(infoHash("b"));
    await started(2, [torrent("c", { fileName: "other" }), torrent("a", { totalPieces: 5 })]);
    await expect(locate({ fileName: "other" })).rejects.toMatchObject({ code: Code.FailedPrecondition });
    await expect(locate()).rejects.toMatchObject({ code: Code.FailedPrecondition });
    expect((await locate({ infoHash: infoHash("a"), totalPieces: 5 })).peers).toHaveLength(1);
    await expect(locate({ fileName: "none" })).rejects.toMatchObject({ code: Code.NotFound });
    await expect(locate({ infoHash: infoHash("a"), totalPieces: 6 })).rejects.toMatchObject({
      code: Code.NotFound,
    });
    await expect(locate({})).rejects.toMatchObject({ code: Code.InvalidArgument });
  });
});

it("Scrape counts copies of the rarest piece", async () => {
  const has = (...held: number[]) => [
    torrent("a", { complete: held.length === 4, bitfield: Bitfield.of(4, held).toBytes() }),
  ];
  await started(1, has(0, 1, 2, 3));
  await started(2, has(0, 1));
  const rarest = async () => (await tracker.client().scrape({ infoHashes: [infoHash("a")] })).swarms;
  expect(await rarest()).toMatchObject([
    { seeders: 1, leechers: 1, minAvailability: 1, fileName: "file.bin" },
  ]);
  await started(3, has(2, 3));
  expect(await rarest()).toMatchObject([{ seeders: 1, leechers: 2, minAvailability: 2 }]);
  expect((await tracker.client().scrape({ infoHashes: [infoHash("b")] })).swarms).toEqual([]);
});

describe("WatchSwarm", () => {
  const watch = () => {
    const abort = new AbortController();
    const seen: number[] = [];
    const ended = (async () => {
      const request = { infoHash: infoHash("a") };
      for await (const { peers } of tracker.client().watchSwarm(request, { signal: abort.signal })) {
        seen.push(peers.length);
      }
    })().catch((error: unknown) => {
      if (!abort.signal.aborted) throw error;
    });
    return { seen, ended, abort };
  };

  it("tells the state at once, a burst of changes in two messages a second, and the end of the swarm", async () => {
    const first = await started(1);
    const { seen, ended, abort } = watch();
    await tracker.clock.tick(0);
    expect(seen).toEqual([1]);
    const leases = [];
    for (let port = 2; port <= 11; port++) {
      leases.push(await started(port));
      await tracker.clock.tick(100);
    }
    expect(seen.length).toBeLessThanOrEqual(3);
    await tracker.clock.tick(500);
    expect(seen.at(-1)).toBe(11);
    for (const lease of [first, ...leases]) {
      await tracker.client().announce({ event: AnnounceEvent.STOPPED, ...lease });
    }
    await tracker.clock.tick(500);
    expect(seen.at(-1)).toBe(0);
    abort.abort();
    await ended;
  });

  it("says the same again after 15 s of silence, and leaves nothing behind when aborted", async () => {
    const lease = await started(1);
    const { seen, ended, abort } = watch();
    for (let n = 0; n < 30; n++) {
      await tracker.client().announce(lease);
      await tracker.clock.tick(1_000);
    }
    expect(seen).toEqual([1, 1, 1]);
    abort.abort();
    await ended;
  });
});
