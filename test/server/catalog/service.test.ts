import { describe, expect, it } from "vitest";
import { remoteCatalog } from "#core/rpc/rpc.ts";
import { torrentJson } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../../../server/base/node-hasher.ts";
import { openTransport, type TransportKind } from "../../../server/http/client/transports.ts";
import { makeTorrent } from "../../support/swarms/made-torrent.ts";
import { legacyTorrent } from "./legacy-torrent.ts";
import { runningCatalog, token } from "./running-catalog.ts";

const hash = "a".repeat(64);
const legacyForm = {
  file_name: "file.txt",
  total_pieces: 2,
  pieces: [
    { number: 1, hash },
    { number: 2, hash },
  ],
};

describe("a catalog, asked with curl", () => {
  it("publishes, lists, gets and deletes a torrent in the legacy form", async () => {
    const catalog = await runningCatalog();
    const published = await catalog.call("PublishTorrent", { torrent: legacyForm });
    const infoHash = published.body.info_hash;
    expect(published.body).toEqual({
      name: "file.txt",
      info_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      changed: true,
    });

    const list = await catalog.read("ListTorrents", {});
    expect(list.body).toEqual({
      torrents: [{ name: "file.txt", info_hash: infoHash, file_name: "file.txt", total_pieces: 2 }],
      total_size: 1,
    });

    for (const key of [
      { name: "file.txt.json" },
      { info_hash: infoHash },
      { infoHash: infoHash.toUpperCase() },
    ]) {
      const got = await catalog.read("GetTorrent", key);
      expect(got.body).toEqual({ name: "file.txt", torrent: { ...legacyForm, info_hash: infoHash } });
      expect(got.headers.get("cache-control")).toBe("no-store");
    }

    expect(await catalog.call("DeleteTorrent", { name: "file.txt" })).toMatchObject({
      status: 200,
      body: {},
    });
    expect(await catalog.read("GetTorrent", { name: "file.txt" })).toMatchObject({
      status: 404,
      body: { code: "not_found" },
    });
  });

  it("answers 64-bit numbers as JSON strings, and takes both", async () => {
    const catalog = await runningCatalog();
    const { torrent } = await makeTorrent({ length: 20_000, fileName: "made" });
    await catalog.call("PublishTorrent", { torrent: torrentJson(torrent) });
    const { body } = await catalog.read("GetTorrent", { name: "made" });
    expect(body.torrent).toMatchObject({ length: "20000", piece_length: 16_384 });
    expect((await catalog.call("PublishTorrent", { torrent: body.torrent })).body).toMatchObject({
      name: "made",
    });
  });

  it("finds, in pages", async () => {
    const catalog = await runningCatalog();
    for (const name of ["a1", "b", "a2", "a3"])
      await catalog.call("PublishTorrent", { name, torrent: { ...legacyForm, file_name: name } });
    const first = await catalog.read("ListTorrents", { search: "A", page_size: 2 });
    expect(first.body).toMatchObject({ torrents: [{ name: "a1" }, { name: "a2" }], total_size: 3 });
    const query = { search: "A", page_size: 2, page_token: first.body.next_page_token };
    const second = await catalog.read("ListTorrents", query);
    expect(second.body.torrents).toMatchObject([{ name: "a3" }]);
    expect(second.body).not.toHaveProperty("next_page_token");
  });

  it.each([
    ["no torrent", {}, "torrent: "],
    ["no file name", { torrent: { ...legacyForm, file_name: "" } }, "file_name: "],
    ["a file name that leaves the folder", { torrent: { ...legacyForm, file_name: "..\\x" } }, "file_name: "],
    ["a total that lies", { torrent: { ...legacyForm, total_pieces: 5 } }, "total_pieces: "],
    [
      "a number twice",
      { torrent: { ...legacyForm, pieces: [legacyForm.pieces[0], legacyForm.pieces[0]] } },
      "pieces[1].number: ",
    ],
    [
      "a placeholder hash",
      { torrent: { ...legacyForm, total_pieces: 1, pieces: [{ number: 1, hash: "abcd1234" }] } },
      "pieces[0].hash: ",
    ],
    ["a length alone", { torrent: { ...legacyForm, length: "5" } }, "piece_length: "],
    ["a length of 0 alone", { torrent: { ...legacyForm, length: 0 } }, "piece_length: "],
    [
      "a length past 2^53",
      { torrent: { ...legacyForm, length: "9007199254740993", piece_length: 16_384 } },
      "length: ",
    ],
    ["another torrent's info hash", { torrent: { ...legacyForm, info_hash: hash } }, "info_hash: "],
    ["a tracker that is no URL", { torrent: { ...legacyForm, trackers: ["x"] } }, "trackers[0]: "],
    ["a name that leaves the directory", { name: "../x", torrent: legacyForm }, "name: "],
  ])("refuses to publish %s, and names the field", async (_, request, message) => {
    const catalog = await runningCatalog();
    const { status, body } = await catalog.call("PublishTorrent", request);
    expect({ status, code: body.code }).toEqual({ status: 400, code: "invalid_argument" });
    expect(body.message.slice(0, message.length)).toBe(message);
    expect((await catalog.read("ListTorrents", {})).body).toEqual({});
  });

  it.each([
    ["GetTorrent", {}, "key: "],
    ["GetTorrent", { name: "../../etc/passwd" }, "name: "],
    ["GetTorrent", { info_hash: "../../etc/passwd" }, "info_hash: "],
    ["ListTorrents", { page_size: 1_001 }, "page_size: "],
    ["ListTorrents", { page_token: "?" }, "page_token: "],
    ["ListTorrents", { search: "x".repeat(256) }, "search: "],
  ])("refuses %s %j, and names the field", async (method, request, message) => {
    const catalog = await runningCatalog();
    const { status, body } = await catalog.read(method, request);
    expect({ status, code: body.code }).toEqual({ status: 400, code: "invalid_argument" });
    expect(body.message.slice(0, message.length)).toBe(message);
  });

  it("says already_exists for a name that another torrent has, and replaces it when asked to", async () => {
    const catalog = await runningCatalog();
    await catalog.call("PublishTorrent", { name: "n", torrent: legacyForm });
    const other = { name: "n", torrent: { ...legacyForm, file_name: "other" } };
    expect(await catalog.call("PublishTorrent", other)).toMatchObject({
      status: 409,
      body: { code: "already_exists" },
    });
    expect(await catalog.call("PublishTorrent", { ...other, replace: true })).toMatchObject({ status: 200 });
    expect((await catalog.read("GetTorrent", { name: "n" })).body.torrent.file_name).toBe("other");
  });

  it("lets keys of JavaScript's own objects change nothing", async () => {
    const catalog = await runningCatalog();
    const text = `{"__proto__":{"polluted":1},"constructor":{},"torrent":${JSON.stringify(legacyForm)}}`;
    expect((await catalog.call("PublishTorrent", text)).status).toBe(200);
    for (const name of ["__proto__", "constructor", "toString"])
      expect(await catalog.read("GetTorrent", { name })).toMatchObject({ status: 404 });
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe("a catalog's limits", () => {
  it("let a torrent of 131,072 pieces through, and give it back", async () => {
    const catalog = await runningCatalog();
    const pieces = Array.from({ length: 131_072 }, (_, at) => ({ number: at + 1, hash }));
    const request = { torrent: { file_name: "big", total_pieces: pieces.length, pieces } };
    expect((await catalog.call("PublishTorrent", request)).body).toMatchObject({
      name: "big",
      changed: true,
    });
    const file = await fetch(`${catalog.url}/files/big.json`);
    expect(await file.json()).toMatchObject({ total_pieces: 131_072 });
    const { transport, close } = openTransport(catalog.url, "grpc");
    const remote = remoteCatalog({ url: catalog.url, transport, hasher: nodeHasher });
    expect((await remote.get({ name: "big" })).torrent.pieces).toHaveLength(131_072);
    close();
  });

  it("end a message past 16 MiB before it is read", async () => {
    const catalog = await runningCatalog();
    const request = { name: "n", torrent: { ...legacyForm, comment: "x".repeat(16 << 20) } };
    expect(await catalog.call("PublishTorrent", request)).toMatchObject({
      status: 429,
      body: { code: "resource_exhausted" },
    });
  });
});

describe("a catalog's token", () => {
  it.each(["PublishTorrent", "DeleteTorrent"])("is what %s needs", async (method) => {
    const catalog = await runningCatalog();
    await catalog.call("PublishTorrent", { torrent: legacyForm });
    const request = { name: "file.txt", torrent: { ...legacyForm, file_name: "other" }, replace: true };
    const message = method === "PublishTorrent" ? request : { name: "file.txt" };
    expect(await catalog.call(method, message, "")).toMatchObject({
      status: 401,
      body: { code: "unauthenticated" },
    });
    for (const wrong of ["wrong", token.slice(1), `${token}x`])
      expect(await catalog.call(method, message, wrong)).toMatchObject({
        status: 403,
        body: { code: "permission_denied" },
      });
    expect((await catalog.read("GetTorrent", { name: "file.txt" })).body.torrent.file_name).toBe("file.txt");
    expect(await catalog.call(method, message)).toMatchObject({ status: 200 });
  });

  it("is asked of nobody when the catalog is open", async () => {
    for (const unused of [undefined, token]) {
      const catalog = await runningCatalog({ token: unused, open: true });
      expect(await catalog.call("PublishTorrent", { torrent: legacyForm }, "")).toMatchObject({
        status: 200,
      });
      expect(await catalog.call("DeleteTorrent", { name: "file.txt" }, "")).toMatchObject({ status: 200 });
    }
  });

  it("must be there when the catalog is not open", async () => {
    await expect(runningCatalog({ token: undefined })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(runningCatalog({ token: "" })).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("does not let a method that changes something work as GET", async () => {
    const catalog = await runningCatalog({ open: true });
    expect((await fetch(`${catalog.url}/pieza.v1.CatalogService/DeleteTorrent?connect=v1`)).status).toBe(405);
  });
});

describe.each<TransportKind>(["grpc", "grpc-web", "connect"])("a catalog, asked over %s", (kind) => {
  it("gives back what was published: a folder with everything said of it", async () => {
    const running = await runningCatalog();
    const { transport, close } = openTransport(running.url, kind);
    const catalog = remoteCatalog({ url: running.url, transport, hasher: nodeHasher, token });
    const files = [
      { path: "a/ünï 🎵.txt", length: 20_000 },
      { path: "empty", length: 0 },
    ];
    const made = await makeTorrent({ files, fileName: "folder" });
    const torrent = { ...made.torrent, trackers: ["http://t:1"], comment: "c\n", replicationTarget: 0 };
    expect(await catalog.publish(torrent, {})).toEqual({ name: "folder", changed: true });
    expect(await catalog.publish(torrent, {})).toEqual({ name: "folder", changed: false });
    expect(await catalog.get({ name: "folder" })).toEqual({ name: "folder", torrent });
    expect((await catalog.list({})).torrents).toMatchObject([
      { length: 20_000, fileCount: 2, comment: "c\n" },
    ]);
    const other = await legacyTorrent("folder");
    await expect(catalog.publish(other, {})).rejects.toMatchObject({ code: "already_exists" });
    await catalog.delete("folder");
    await expect(catalog.get({ infoHash: torrent.infoHash })).rejects.toMatchObject({ code: "not_found" });
    close();
  });
});
