import { createRouterTransport, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { sha256, webCryptoHasher } from "#core/base/hash.ts";
import { remoteCatalog } from "#core/rpc/rpc.ts";
import { torrentToMessage } from "#core/rpc/torrent.ts";
import { torrentFromMessage } from "#core/rpc/torrent-fields.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { parseTorrent } from "#core/torrent/torrent-json.ts";
import { CatalogService } from "#gen/pieza/v1/catalog_pb.ts";

const hasher = webCryptoHasher;

function catalog(implementation: Partial<ServiceImpl<typeof CatalogService>>, token?: string) {
  const transport = createRouterTransport((router) => router.service(CatalogService, implementation));
  return remoteCatalog({ url: "http://catalog.test", transport, hasher, token });
}

async function torrent(more: object = {}): Promise<Torrent> {
  const hash = await sha256(hasher, Uint8Array.of(1));
  return parseTorrent(
    { file_name: "a.bin", total_pieces: 1, pieces: [{ number: 1, hash }], ...more },
    hasher,
  );
}

describe("a torrent", () => {
  it.each([
    ["of the legacy form", {}],
    ["with everything", { length: 9_000, piece_length: 16_384, trackers: ["http://t.test"], comment: "c" }],
    [
      "that is a folder",
      {
        length: 3,
        piece_length: 16_384,
        files: [
          { path: "a/b", length: 1 },
          { path: "a/c", length: 2 },
        ],
      },
    ],
    ["with a date and a target", { created_at: "2026-01-02T03:04:05Z", replication_target: 3 }],
  ])("%s survives the wire", async (_what, more) => {
    const sent = await torrent(more);
    expect(await torrentFromMessage(torrentToMessage(sent), hasher)).toEqual(sent);
  });

  it("whose info hash lies is refused", async () => {
    const message = torrentToMessage(await torrent());
    message.infoHash = "00".repeat(32);
    await expect(torrentFromMessage(message, hasher)).rejects.toMatchObject({ field: "info_hash" });
  });

  it("of a length that no number holds is refused", async () => {
    const message = torrentToMessage(await torrent({ length: 9_000, piece_length: 16_384 }));
    message.length = 2n ** 63n;
    await expect(torrentFromMessage(message, hasher)).rejects.toMatchObject({ field: "length" });
  });

  it("that is missing is refused", async () => {
    await expect(torrentFromMessage(undefined, hasher)).rejects.toMatchObject({ field: "torrent" });
  });
});

describe("a catalog", () => {
  it("lists pages", async () => {
    const remote = catalog({
      listTorrents: (query: { search: string }) => ({
        torrents: [
          { name: query.search, infoHash: "ab", fileName: "f", totalPieces: 2, length: 5n, pieceLength: 4 },
        ],
        nextPageToken: "2",
        totalSize: 9,
      }),
    });
    const page = await remote.list({ search: "x" });
    expect(page).toMatchObject({ nextPageToken: "2", totalSize: 9 });
    expect(page.torrents[0]).toMatchObject({ name: "x", length: 5, pieceLength: 4, fileCount: 0 });
  });

  it("gives a torrent by name and by info hash, checked", async () => {
    const sent = await torrent();
    const remote = catalog({ getTorrent: () => ({ name: "a", torrent: torrentToMessage(sent) }) });
    expect(await remote.get({ name: "a.json" })).toEqual({ name: "a", torrent: sent });
    const upper = sent.infoHash.toUpperCase();
    expect((await remote.get({ infoHash: upper })).torrent).toEqual(sent);
    await expect(remote.get({ infoHash: "00".repeat(32) })).rejects.toMatchObject({ code: "internal" });
  });

  it("gets its token with changes, and with nothing else", async () => {
    const sent = await torrent();
    const seen: [string, string | null][] = [];
    const see = (name: string, { requestHeader }: HandlerContext) => {
      seen.push([name, requestHeader.get("authorization")]);
      return {};
    };
    const remote = catalog(
      {
        listTorrents: (_: unknown, context: HandlerContext) => see("list", context),
        publishTorrent: (_: unknown, context: HandlerContext) => see("publish", context),
        deleteTorrent: (_: unknown, context: HandlerContext) => see("delete", context),
      },
      "s3cret",
    );
    await remote.list({});
    await remote.publish(sent, { name: "a", replace: true });
    await remote.delete("a");
    expect(seen).toEqual([
      ["list", null],
      ["publish", "Bearer s3cret"],
      ["delete", "Bearer s3cret"],
    ]);
  });
});
