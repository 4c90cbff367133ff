import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { cappedFetch } from "#core/rpc/capped-fetch.ts";
import { remoteCatalog, remoteTracker, torrentFromPeer } from "#core/rpc/rpc.ts";
import { watchSwarm } from "#core/rpc/watch.ts";
import { PublishTorrentRequestSchema } from "#gen/pieza/v1/catalog_pb.ts";
import { nodeClock } from "../../../../server/base/node-clock.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { plainTorrent } from "../../../../server/cli/clients/plain-catalog.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { PlainTracker } from "../../../../server/peer/transports/plain-tracker.ts";
import { field, manyEmpty } from "../../../support/wire/bombs.ts";
import { framed } from "../../../support/wire/wire-formats.ts";

const kinds = ["grpc", "grpc-web", "connect"] as const;
type Kind = (typeof kinds)[number];
const MiB = 1 << 20;
const infoHash = "ab".repeat(32);
const never = new AbortController().signal;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Answers every call with this message, as callers of the kind expect it. */
async function start(kind: Kind, message: Uint8Array): Promise<string> {
  const contentType = {
    grpc: "application/grpc+proto",
    "grpc-web": "application/grpc-web+proto",
    connect: "application/proto",
  }[kind];
  const onRequest = (
    request: http.IncomingMessage | http2.Http2ServerRequest,
    response: http.ServerResponse | http2.Http2ServerResponse,
  ) => {
    request.resume();
    const asked = request.headers["content-type"];
    response.setHeader("content-type", asked?.startsWith("application/connect+") ? asked : contentType);
    const answer = response as http.ServerResponse;
    if (kind === "grpc") answer.addTrailers({ "grpc-status": "0" });
    if (kind === "connect" && !asked?.startsWith("application/connect+")) answer.end(message);
    else if (kind === "grpc-web")
      answer.end(Buffer.concat([framed(message), framed(Buffer.from("grpc-status: 0\r\n"), 0x80)]));
    else answer.end(framed(message));
  };
  const server = kind === "grpc" ? http2.createServer(onRequest) : http.createServer(onRequest);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function dial(url: string, kind: Kind) {
  const { transport, close } = openTransport(url, kind);
  ends.push(close);
  return transport;
}

/** Each is small on the wire, and would be hundreds of MiB of objects. */
const bombs = {
  "peers of a table": manyEmpty(3, 2 * MiB),
  "pieces of a table": manyEmpty(8, 2 * MiB),
  "fields that nobody knows": manyEmpty(15, 2 * MiB),
};
const torrentBomb = field(2, manyEmpty(3, 8 * MiB - 10));
const query = { infoHash, totalPieces: 1 };

describe.each(kinds)("answers over %s are counted before they become objects", (kind) => {
  it.each(Object.entries(bombs))("%s", async (_what, bomb) => {
    const url = await start(kind, bomb);
    const locating = remoteTracker({ url, transport: dial(url, kind) }).locate(query, never);
    await expect(locating).rejects.toThrow("answered with more bytes than it may");
  });

  it("a catalog's and a peer's torrent", async () => {
    const url = await start(kind, torrentBomb);
    const got = remoteCatalog({ url, transport: dial(url, kind), hasher: nodeHasher }).get({ name: "x" });
    await expect(got).rejects.toThrow("answered with more bytes than it may");
    const peerUrl = await start(kind, field(1, manyEmpty(3, 8 * MiB - 10)));
    const told = torrentFromPeer(dial(peerUrl, kind), infoHash, nodeHasher, never);
    await expect(told).rejects.toThrow("answered with more bytes than it may");
  });

  it("a watched swarm", async () => {
    const url = await start(kind, field(5, manyEmpty(2, 2 * MiB)));
    const watching = watchSwarm({ transport: dial(url, kind), swarm: query }, () => {}, never);
    await expect(watching).rejects.toThrow("answered with more bytes than it may");
  });

  it("and one of the usual size is passed on whole", async () => {
    const torrent = { fileName: "f", totalPieces: 1, pieces: [{ number: 1, hash: infoHash }] };
    const message = toBinary(
      PublishTorrentRequestSchema,
      create(PublishTorrentRequestSchema, { name: "n", torrent }),
    );
    const url = await start(kind, message);
    const { torrent: got } = await remoteCatalog({ url, transport: dial(url, kind), hasher: nodeHasher }).get(
      {
        name: "n",
      },
    );
    expect(got.pieces).toEqual([infoHash]);
  });
});

describe("answers that are read without the library", () => {
  it.each([
    ["peers of a table", bombs["peers of a table"]],
    ["pieces of a table", bombs["pieces of a table"]],
    ["fields that nobody knows", bombs["fields that nobody knows"]],
  ])("have bounds too: %s", async (_what, bomb) => {
    const url = await start("connect", bomb);
    const tracker = new PlainTracker(url, () => Promise.reject(new Error("the library was asked")));
    ends.push(() => tracker.close());
    await expect(tracker.locate(query, never)).rejects.toThrow(
      /more entries than it may|not a valid message/,
    );
  });

  it("have bounds too: a torrent", async () => {
    const url = await start("connect", torrentBomb);
    await expect(plainTorrent(url, { name: "x" }, never)).rejects.toThrow("more entries than it may");
  });
});

it("a tab's fetch counts too", async () => {
  const url = await start("grpc-web", bombs["peers of a table"]);
  const get = cappedFetch(fetch, { limitBytes: 16 * MiB, clock: nodeClock });
  const asked = { method: "POST", headers: { "content-type": "application/grpc-web+proto" } };
  const answer = await get(`${url}/pieza.v1.TrackerService/LocatePieces`, asked);
  await expect(answer.arrayBuffer()).rejects.toThrow("answered with more bytes than it may");
  const other = await get(`${url}/pieza.v1.PeerService/GetPiece`, asked);
  expect((await other.arrayBuffer()).byteLength).toBeGreaterThan(4 * MiB - 1);
});
