import { toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { EncodedTorrents } from "#core/rpc/encoded-torrents.ts";
import { torrentToMessage } from "#core/rpc/torrent.ts";
import { torrentText } from "#core/torrent/torrent-json.ts";
import { CatalogService } from "#gen/pieza/v1/catalog_pb.ts";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { TorrentSchema } from "#gen/pieza/v1/torrent_pb.ts";
import { writeTorrentMessage } from "../../../../server/base/long-torrents.ts";
import { startServing } from "../../../../server/peer/serving/serving.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { type RawAnswer, RawClient, type RawRequest } from "../../../support/wire/raw-call.ts";
import { callOf, type WireFormat } from "../../../support/wire/wire-formats.ts";
import { runningCatalog, token } from "../../catalog/running-catalog.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const ways: [WireFormat, 1 | 2][] = [
  ["connect", 1],
  ["connect", 2],
  ["grpc-web", 1],
  ["grpc", 2],
];
const [mine, missing] = [await makeTorrent({ length: 100_000 }), "00".repeat(32)];

async function peer(direct: boolean): Promise<string> {
  const { server, torrents } = await startServing({ port: 0, direct });
  ends.push(() => server.close({ graceMs: 0 }));
  torrents.add(mine.torrent, new MemoryPieceStore(mine.geometry));
  return server.url;
}

async function ask(url: string, version: 1 | 2, request: RawRequest): Promise<RawAnswer> {
  const client = new RawClient(url, version);
  ends.push(() => client.close());
  return client.call(request);
}

describe("GetTorrent from encoded torrents", () => {
  it.each(ways)(
    "has a peer answer over %s, HTTP/%i, byte for byte what the library does",
    async (format, version) => {
      const [direct, stock] = [await peer(true), await peer(false)];
      for (const infoHash of [
        mine.torrent.infoHash,
        mine.torrent.infoHash.toUpperCase(),
        missing,
        "no hash",
      ]) {
        const request = callOf(format, PeerService.method.getTorrent, { infoHash });
        expect(await ask(direct, version, request)).toEqual(await ask(stock, version, request));
      }
    },
  );

  it.each(ways)(
    "has a catalog answer over %s, HTTP/%i, byte for byte what the library does",
    async (format, version) => {
      const torrent = JSON.parse(torrentText(mine.torrent));
      const [direct, stock] = [await runningCatalog(), await runningCatalog({ direct: false })];
      for (const { call } of [direct, stock]) {
        expect(await call("PublishTorrent", { name: "it", torrent }, token)).toMatchObject({ status: 200 });
      }
      const keys = [
        { case: "name", value: "it" },
        { case: "infoHash", value: mine.torrent.infoHash },
        { case: "name", value: "nothing" },
        { case: undefined },
      ] as const;
      for (const key of keys) {
        const request = callOf(format, CatalogService.method.getTorrent, { key });
        expect(await ask(direct.url, version, request)).toEqual(await ask(stock.url, version, request));
      }
    },
  );
});

describe("encoded torrents", () => {
  it("are encoded once while they are kept, and those that were asked for longest ago go first", async () => {
    const make = async (seed: number) => (await makeTorrent({ length: 1 << 20, seed })).torrent;
    const [a, b, c, d] = await Promise.all([make(1), make(2), make(3), make(4)]);
    const one = toBinary(TorrentSchema, torrentToMessage(a)).length + 4096;
    const encoded = new EncodedTorrents(writeTorrentMessage, 3 * one);
    const [first, second] = [await encoded.bytesOf(a), await encoded.bytesOf(b)];
    expect(Buffer.compare(first, toBinary(TorrentSchema, torrentToMessage(a)))).toBe(0);
    await encoded.bytesOf(c);
    expect(await encoded.bytesOf(a)).toBe(first);
    await encoded.bytesOf(d);
    expect(await encoded.bytesOf(a)).toBe(first);
    expect(await encoded.bytesOf(b)).not.toBe(second);
  });

  it("that are larger than all that may be kept are given, and not kept", async () => {
    const encoded = new EncodedTorrents(writeTorrentMessage, 100);
    expect(await encoded.bytesOf(mine.torrent)).not.toBe(await encoded.bytesOf(mine.torrent));
  });
});
