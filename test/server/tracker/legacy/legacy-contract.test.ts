import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { AnnounceEvent } from "#gen/pieza/v1/tracker_pb.ts";
import { GetFilePiecesResponseSchema } from "#gen/tracker_pb.ts";
import { filePieces } from "../../../../server/tracker/legacy/file-pieces.ts";
import type { HasPiece } from "../../../../server/tracker/legacy/legacy-prober.ts";
import type { SwarmMember } from "../../../../server/tracker/store/swarm-store.ts";
import type { TrackerOptions } from "../../../../server/tracker/tracker.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";

/** A new peer is asked this long after its registration. */
const FIRST_ASK_MS = 200;

const open: RouterTracker[] = [];
/** A tracker whose legacy peers answer every probe, unless a test says otherwise. */
function fresh(hasPiece: HasPiece = async () => true, options: Partial<TrackerOptions> = {}): RouterTracker {
  const tracker = new RouterTracker(new FakeClock(), { hasPiece, ...options });
  open.push(tracker);
  return tracker;
}
afterEach(async () => {
  for (const tracker of open.splice(0)) {
    await tracker.close();
    expect(tracker.defects).toEqual([]);
    expect(tracker.clock.pending, "timers left behind").toBe(0);
  }
});

const piece = (number: number, hash = `hash-${number}`) => ({ number, hash });
const registration = (port: number, fileName: string, ...pieces: ReturnType<typeof piece>[]) => ({
  peerAddress: `localhost:${port}`,
  fileInfo: [{ fileName, total: pieces.length, pieces }],
});

/** Registers a peer, which answers when it is first asked: from then on it is named. */
async function join(tracker: RouterTracker, request: ReturnType<typeof registration>, caller?: string) {
  await tracker.legacyClient(caller).registerPeer(request);
  await tracker.clock.tick(FIRST_ASK_MS);
}

async function piecesOf(tracker: RouterTracker, fileName = "file.txt"): Promise<Record<number, string[]>> {
  const { pieces } = await tracker.legacyClient().getFilePieces({ fileName });
  return Object.fromEntries(
    Object.entries(pieces).map(([number, { addresses }]) => [number, [...addresses].sort()]),
  );
}

describe("RegisterPeer", () => {
  it("takes any text as a hash and any total, and names the peer at the address that it called from", async () => {
    const tracker = fresh();
    const request = registration(6001, "file.txt", piece(1, "abcd1234"), piece(2, "efgh5678"));
    request.fileInfo[0]!.total = -3;
    request.peerAddress = "203.0.113.9:6001";
    expect(await tracker.legacyClient().registerPeer(request)).toMatchObject({ success: true });
    await tracker.clock.tick(FIRST_ASK_MS);
    expect(await piecesOf(tracker)).toEqual({ 1: ["127.0.0.1:6001"], 2: ["127.0.0.1:6001"] });
    expect(await tracker.client().locatePieces({ fileName: "file.txt" })).toMatchObject({
      infoHash: "",
      totalPieces: 0,
      peers: [],
      seedPeers: [{ url: "http://127.0.0.1:6001", declared: Uint8Array.of(0xc0) }],
      seedPieces: [
        { number: 1, hash: "abcd1234" },
        { number: 2, hash: "efgh5678" },
      ],
    });
  });

  it.each([
    ["no port", { peerAddress: "localhost" }, "peer_address"],
    ["port 0", { peerAddress: "localhost:0" }, "peer_address"],
    ["a port past 65535", { peerAddress: "localhost:65536" }, "peer_address"],
    ["an endless address", { peerAddress: `${"a".repeat(300)}:1` }, "peer_address"],
    ["a nameless file", registration(1, "", piece(1)), "file_info[0].file_name"],
    ["a long name", registration(1, "é".repeat(128), piece(1)), "file_info[0].file_name"],
    ["piece 0", registration(1, "f", piece(0)), "file_info[0].pieces[0].number"],
    ["a negative piece", registration(1, "f", piece(1), piece(-1)), "file_info[0].pieces[1].number"],
    ["piece 131,073", registration(1, "f", piece(131_073)), "file_info[0].pieces[0].number"],
    ["a hash of 256 bytes", registration(1, "f", piece(1, "x".repeat(256))), "file_info[0].pieces[0].hash"],
    ["1,025 files", { peerAddress: ":1", fileInfo: Array(1_025).fill({ fileName: "f" }) }, "file_info"],
  ])("refuses %s by name", async (_, request, field) => {
    const call = fresh().legacyClient().registerPeer(request);
    await expect(call).rejects.toThrow(`[invalid_argument] ${field}: `);
  });

  it("counts once however often it is sent, also 50 times at once", async () => {
    const tracker = fresh();
    const request = registration(6001, "file.txt", piece(1));
    const client = tracker.legacyClient();
    await Promise.all(Array.from({ length: 50 }, () => client.registerPeer(request)));
    await tracker.clock.tick(FIRST_ASK_MS);
    expect(await piecesOf(tracker)).toEqual({ 1: ["127.0.0.1:6001"] });
    expect(await tracker.store.counts()).toMatchObject({ leases: 1 });
  });

  it("replaces what the peer said before", async () => {
    const tracker = fresh();
    await join(tracker, registration(6001, "old.txt", piece(1)));
    await tracker.legacyClient().registerPeer(registration(6001, "file.txt", piece(2)));
    await expect(piecesOf(tracker, "old.txt")).rejects.toThrow("[not_found]");
    expect(await piecesOf(tracker)).toEqual({ 2: ["127.0.0.1:6001"] });
  });

  it("refuses an address that this tracker names to nobody, and one that a peer of ours holds", async () => {
    const tracker = fresh();
    const request = registration(6001, "file.txt", piece(1));
    const outside = tracker.legacyClient("203.0.113.9").registerPeer(request);
    await expect(outside).rejects.toThrow("[permission_denied]");
    await tracker.client().announce({ event: AnnounceEvent.STARTED, port: 6001 });
    await expect(tracker.legacyClient().registerPeer(request)).rejects.toThrow("[already_exists]");
    await expect(piecesOf(tracker)).rejects.toThrow("[not_found]");
  });

  it("changes nothing when the tracker's memory is full", async () => {
    const tracker = fresh(undefined, { trackerLimits: { maxStateBytes: 2_000 } });
    const client = tracker.legacyClient();
    const large = registration(6001, "file.txt", ...Array.from({ length: 100 }, (_, at) => piece(at + 1)));
    await expect(client.registerPeer(large)).rejects.toThrow("[resource_exhausted]");
    expect(await tracker.store.counts()).toMatchObject({ leases: 0 });
    await join(tracker, registration(6001, "file.txt", piece(1)));
    await expect(client.registerPeer(large)).rejects.toThrow("[resource_exhausted]");
    expect(await piecesOf(tracker)).toEqual({ 1: ["127.0.0.1:6001"] });
    await client.deregisterPeer({ peerAddress: ":6001" });
    for (let n = 0; n < 10; n++) {
      await client.registerPeer(registration(6001, "file.txt", piece(1)));
      await client.deregisterPeer({ peerAddress: ":6001" });
    }
  });
});

describe("DeregisterPeer", () => {
  const networks = { allowNetworks: ["10.0.0.0/8"] };

  it("ends a registration from its own address, whatever host either call names", async () => {
    const tracker = fresh(undefined, networks);
    await join(tracker, registration(6001, "file.txt", piece(1)), "10.0.0.1");
    const answer = await tracker
      .legacyClient("10.0.0.1")
      .deregisterPeer({ peerAddress: "other.example:6001" });
    expect(answer.success).toBe(true);
    await expect(piecesOf(tracker)).rejects.toThrow("[not_found]");
    expect(await tracker.store.counts()).toEqual({ leases: 0, swarms: 0 });
  });

  it("by anybody else answers false and changes nothing, and so does a second one", async () => {
    const tracker = fresh(undefined, networks);
    const owner = tracker.legacyClient("10.0.0.1");
    const request = registration(6001, "file.txt", piece(1));
    await join(tracker, request, "10.0.0.1");
    const lies = { ...request, peerAddress: "10.0.0.1:6001" };
    for (const stranger of ["10.0.0.2", "127.0.0.1", "203.0.113.9"]) {
      expect((await tracker.legacyClient(stranger).deregisterPeer(lies)).success).toBe(false);
    }
    expect((await owner.deregisterPeer({ peerAddress: "10.0.0.1:6002" })).success).toBe(false);
    expect(await piecesOf(tracker)).toEqual({ 1: ["10.0.0.1:6001"] });
    expect((await owner.deregisterPeer(request)).success).toBe(true);
    expect((await owner.deregisterPeer(request)).success).toBe(false);
  });

  it("does not end the lease of a peer that has a secret", async () => {
    const tracker = fresh();
    await tracker.client().announce({ event: AnnounceEvent.STARTED, port: 6001 });
    expect((await tracker.legacyClient().deregisterPeer({ peerAddress: ":6001" })).success).toBe(false);
    expect(await tracker.store.counts()).toMatchObject({ leases: 1 });
  });
});

describe("GetFilePieces", () => {
  const announced = (digit: string, fileName: string, ...numbers: number[]) => ({
    infoHash: infoHash(digit),
    fileName,
    totalPieces: 3,
    revision: 1n,
    bitfield: Bitfield.of(
      3,
      numbers.map((number) => number - 1),
    ).toBytes(),
  });

  it("names peers of both contracts, and turns with LocatePieces", async () => {
    const tracker = fresh();
    const torrents = [announced("a", "file.txt", 1, 2)];
    await tracker.client().announce({ event: AnnounceEvent.STARTED, port: 6001, torrents });
    await join(tracker, registration(6002, "file.txt", piece(2), piece(3)));
    const first: (string | undefined)[] = [];
    for (let n = 0; n < 6; n++) {
      if (n % 2 === 0) {
        const { pieces } = await tracker.legacyClient().getFilePieces({ fileName: "file.txt" });
        expect(pieces[1]?.addresses).toEqual(["127.0.0.1:6001"]);
        expect(pieces[3]?.addresses).toEqual(["127.0.0.1:6002"]);
        expect([...pieces[2]!.addresses].sort()).toEqual(["127.0.0.1:6001", "127.0.0.1:6002"]);
        first.push(pieces[2]!.addresses[0]);
      } else {
        const query = { infoHash: infoHash("a"), totalPieces: 3, fileName: "file.txt" };
        const { turn } = await tracker.client().locatePieces(query);
        first.push(["127.0.0.1:6001", "127.0.0.1:6002"][(turn + 2) % 2]);
      }
    }
    for (let n = 1; n < first.length; n++) expect(first[n]).not.toBe(first[n - 1]);
  });

  it("fails with failed_precondition for a name that several files have, by either contract", async () => {
    const tracker = fresh();
    const torrents = [announced("a", "file.txt", 1), announced("b", "file.txt", 1)];
    await tracker.client().announce({ event: AnnounceEvent.STARTED, port: 6001, torrents });
    await expect(piecesOf(tracker)).rejects.toThrow("[failed_precondition]");
    await join(tracker, registration(6002, "seed.txt", piece(1, "a")));
    await join(tracker, registration(6003, "seed.txt", piece(1, "b")));
    await expect(piecesOf(tracker, "seed.txt")).rejects.toThrow("[failed_precondition]");
    // Who knows the hashes can still tell them apart.
    const { seedPeers, seedPieces } = await tracker.client().locatePieces({ fileName: "seed.txt" });
    expect(seedPeers.map(({ declared }) => [...Bitfield.fromBytes(seedPieces.length, declared)])).toEqual([
      [0],
      [1],
    ]);
  });

  it("fails with not_found for a name that nobody has, invalid_argument for none", async () => {
    const tracker = fresh();
    await expect(piecesOf(tracker)).rejects.toThrow("[not_found]");
    await expect(piecesOf(tracker, "")).rejects.toThrow("[invalid_argument] file_name");
  });

  it("answers up to 3 MiB in binary, and past it points to LocatePieces", () => {
    const member = (port: number, pieces: number): SwarmMember => ({
      leaseId: String(port),
      url: `http://127.0.0.1:${port}`,
      listed: true,
      draining: false,
      fileName: "file.txt",
      revision: 1,
      zone: "",
      volunteer: false,
      replicationTarget: 0,
      pieceLength: 0,
      bitfield: Bitfield.full(pieces),
    });
    const answer = (pieces: number) =>
      filePieces({
        swarm: undefined,
        peers: [member(6001, pieces), member(6002, pieces)],
        legacyPeers: [],
        turn: 0,
      });
    const bytesOf = (pieces: number) => {
      const message = create(GetFilePiecesResponseSchema, { pieces: answer(pieces) });
      return toBinary(GetFilePiecesResponseSchema, message).length;
    };
    let low = 1;
    let high = 131_072;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      try {
        answer(middle);
        low = middle;
      } catch (error) {
        expect(error).toBeInstanceOf(PiezaError);
        expect(error).toMatchObject({
          code: "out_of_range",
          message: expect.stringContaining("LocatePieces"),
        });
        high = middle;
      }
    }
    const entry = bytesOf(low) - bytesOf(low - 1);
    expect(bytesOf(low)).toBeLessThanOrEqual(3 << 20);
    expect(bytesOf(low) + entry).toBeGreaterThan(3 << 20);
  });
});

describe("LocatePieces", () => {
  it("names legacy peers behind the swarm's own, and answers when there is no swarm", async () => {
    const tracker = fresh();
    await join(tracker, registration(6002, "file.txt", piece(1)));
    const query = { infoHash: infoHash("a"), totalPieces: 3, fileName: "file.txt" };
    const alone = await tracker.client().locatePieces(query);
    expect(alone).toMatchObject({ infoHash: infoHash("a"), totalPieces: 3, peers: [] });
    expect(alone.seedPeers.map(({ url }) => url)).toEqual(["http://127.0.0.1:6002"]);
    await expect(tracker.client().locatePieces({ ...query, fileName: "" })).rejects.toThrow("[not_found]");
  });

  it("names sixteen of more, each in its turn", async () => {
    const tracker = fresh();
    const client = tracker.legacyClient();
    for (let n = 0; n < 20; n++) await client.registerPeer(registration(6_001 + n, "file.txt", piece(1)));
    await tracker.clock.tick(FIRST_ASK_MS);
    const named = new Map<string, number>();
    for (let n = 0; n < 40; n++) {
      const { seedPeers } = await tracker.client().locatePieces({ fileName: "file.txt" });
      expect(seedPeers).toHaveLength(16);
      for (const { url } of seedPeers) named.set(url, (named.get(url) ?? 0) + 1);
    }
    expect([...named.values()]).toEqual(Array(20).fill(32));
  });
});
