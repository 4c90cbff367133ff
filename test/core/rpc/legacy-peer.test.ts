import { create } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { PeerFailed } from "#core/base/errors.ts";
import { learnLengths } from "#core/download/learn-lengths.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import {
  type LocatePiecesRequest,
  LocatePiecesResponseSchema,
  TrackerService,
} from "#gen/pieza/v1/tracker_pb.ts";
import { nodeHasher } from "../../../server/base/node-hasher.ts";
import type { FakePeer } from "../../support/swarms/fake-peer.ts";
import { FakeSwarm, seededRandom } from "../../support/swarms/fake-swarm.ts";

const never = new AbortController().signal;

describe("a table with legacy peers", () => {
  const hashes = ["aa", "bb", "cc"].map((byte) => byte.repeat(32));
  const query = { infoHash: "ab".repeat(32), totalPieces: 3, fileName: "file.txt", pieces: hashes };

  function answering(answer: object, asked: LocatePiecesRequest[] = []) {
    const transport = createRouterTransport(({ service }) => {
      service(TrackerService, {
        locatePieces(request) {
          asked.push(request);
          return create(LocatePiecesResponseSchema, { totalPieces: 3, ...answer });
        },
      });
    });
    return remoteTracker({ url: "http://tracker", transport });
  }

  it("is asked for by info hash and file name together", async () => {
    const asked: LocatePiecesRequest[] = [];
    await answering({}, asked).locate(query, never);
    const { infoHash, totalPieces, fileName } = query;
    expect(asked).toMatchObject([{ infoHash, totalPieces, fileName }]);
  });

  it("has those behind the others, with the pieces that are this torrent's", async () => {
    const seedPieces = [
      { number: 1, hash: hashes[0]! },
      { number: 2, hash: "abcd1234" },
      { number: 2, hash: hashes[1]!.toUpperCase() },
      { number: 3, hash: hashes[0]! },
      { number: 4, hash: hashes[2]! },
      { number: 0, hash: hashes[2]! },
    ];
    const { peers } = await answering({
      peers: [{ url: "http://a", complete: true }],
      seedPieces,
      seedPeers: [
        { url: "http://none", declared: Bitfield.of(6, [1, 3, 4, 5]).toBytes() },
        { url: "http://some", declared: Bitfield.full(6).toBytes() },
      ],
    }).locate(query, never);
    expect(peers.map(({ url, legacy, bitfield }) => [url, legacy ?? false, [...bitfield]])).toEqual([
      ["http://a", false, [0, 1, 2]],
      ["http://some", true, [0, 1]],
    ]);
  });

  it("has none for who cannot tell what is its own", async () => {
    const seeds = {
      seedPieces: [{ number: 1, hash: hashes[0]! }],
      seedPeers: [{ url: "http://some", declared: Uint8Array.of(0x80) }],
    };
    const { infoHash, totalPieces, fileName } = query;
    expect((await answering(seeds).locate({ infoHash, totalPieces, fileName }, never)).peers).toEqual([]);
  });

  it("fails for bits that belong to no pair", async () => {
    const seeds = { seedPeers: [{ url: "http://some", declared: Uint8Array.of(0x80) }] };
    await expect(answering(seeds).locate(query, never)).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

describe("a download with legacy peers", () => {
  const unimplemented = new PeerFailed("unimplemented", "Method not implemented!");

  /** The tracker says of these that they are legacy peers, which cannot be asked for a bitfield. */
  function among(swarm: FakeSwarm, ...seeds: FakePeer[]): FakeSwarm {
    const locate = swarm.tracker.locate.bind(swarm.tracker);
    swarm.tracker.locate = async (key) => {
      const table = await locate(key);
      const urls = new Set(seeds.map(({ url }) => url));
      return { ...table, peers: table.peers.map((peer) => ({ ...peer, legacy: urls.has(peer.url) })) };
    };
    return swarm;
  }

  it("never asks one which pieces it has, and believes the tracker's newer word", async () => {
    const swarm = new FakeSwarm({ pieces: 20 });
    const seed = swarm.add({ has: [0, 1, 2, 3] });
    const download = among(swarm, seed).download();
    download.start();
    await swarm.until("its pieces", () => download.peek().heldPieces === 4);
    await swarm.clock.tick(10_000);
    for (let index = 4; index < 20; index++) seed.has.set(index);
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(swarm.result()).toEqual(swarm.bytes);
    expect(seed.bitfieldCalls).toBe(0);
    await download.stop();
  });

  it("passes by one without DownloadPiece: no ban, and nothing more asked", async () => {
    const swarm = new FakeSwarm({ pieces: 40 });
    const silent = swarm.add();
    silent.vanish(unimplemented);
    const honest = swarm.add({ rate: 4_000 });
    const download = among(swarm, silent, honest).download();
    download.start();
    await swarm.until("skipped", () => download.peek().peers[0]?.state === "skipped");
    const asked = silent.asked.length;
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(silent.asked.length).toBe(asked);
    expect(download.peek().peers[0]).toMatchObject({
      state: "skipped",
      reason: "gives no pieces: Method not implemented!",
    });
    await download.stop();
  });

  it("keeps asking a peer of ours that answers unimplemented, which a proxy may say in its place", async () => {
    const swarm = new FakeSwarm({ pieces: 4 });
    const peer = swarm.add();
    peer.vanish(unimplemented);
    const download = swarm.download();
    download.start();
    await swarm.until("backing off", () => download.peek().peers[0]?.state === "backing off");
    peer.comeBack();
    await swarm.until("complete", () => download.peek().state === "complete");
    await download.stop();
  });

  it("bans one whose bytes are not the piece, whatever hash it declared", async () => {
    const swarm = new FakeSwarm({ pieces: 10 });
    const rotten = swarm.add();
    for (let index = 0; index < 10; index++) rotten.corrupt(index);
    const honest = swarm.add();
    const download = among(swarm, rotten, honest).download();
    download.start();
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(swarm.result()).toEqual(swarm.bytes);
    expect(download.peek().peers[0]).toMatchObject({ state: "banned", servedPieces: 0 });
    await download.stop();
  });

  it("learns the lengths of a legacy torrent, asking one without DownloadPiece once", async () => {
    const swarm = new FakeSwarm({ pieces: 5, lastPiece: 7 });
    const silent = swarm.add();
    silent.vanish(unimplemented);
    const torrent = { ...swarm.torrent, lengths: undefined };
    among(swarm, silent);
    const connected: unknown[] = [];
    const learning = learnLengths({
      torrent,
      trackers: [swarm.tracker],
      connect: (url, seed) => {
        connected.push([url, seed]);
        return swarm.peers.find((peer) => peer.url === url)!;
      },
      hasher: nodeHasher,
      clock: swarm.clock,
      random: seededRandom(1),
      signal: never,
    });
    await swarm.clock.tick(30_000);
    expect(silent.asked).toEqual([0]);
    swarm.add();
    await swarm.clock.tick(10_000);
    expect((await learning).geometry).toEqual(swarm.geometry);
    expect(silent.asked).toEqual([0]);
    expect(connected).toEqual([
      [silent.url, true],
      [swarm.peers[1]!.url, false],
    ]);
  });
});
