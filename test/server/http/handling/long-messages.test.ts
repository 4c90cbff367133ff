import { once } from "node:events";
import net from "node:net";
import { gzipSync } from "node:zlib";
import {
  create,
  type DescMessage,
  fromBinary,
  fromJsonString,
  type MessageInitShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { CatalogService, PublishTorrentRequestSchema } from "#gen/pieza/v1/catalog_pb.ts";
import { AnnounceRequestSchema, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { RegisterPeerRequestSchema } from "#gen/tracker_pb.ts";
import { breathing } from "../../../../server/base/long-work.ts";
import { catalogPolicies } from "../../../../server/catalog/service.ts";
import { served } from "../../../../server/http/handling/served-service.ts";
import { decodeBinary } from "../../../../server/http/handling/sliced-binary.ts";
import { decodeJson } from "../../../../server/http/handling/sliced-json.ts";
import {
  type RunningServer,
  type ServerOptions,
  startServer,
} from "../../../../server/http/listening/server.ts";
import { trackerPolicies } from "../../../../server/tracker/service.ts";
import { within } from "../../../support/deadline.ts";
import { field, manyEmpty } from "../../../support/wire/bombs.ts";
import { RawClient, type RawRequest } from "../../../support/wire/raw-call.ts";
import {
  callOf,
  compressed,
  framed,
  isFramed,
  read,
  type WireFormat,
  wireFormats,
} from "../../../support/wire/wire-formats.ts";

const { publishTorrent } = CatalogService.method;
const { announce } = TrackerService.method;
const MiB = 1 << 20;
const HANG_MS = 20_000;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A catalog that answers with the numbers of pieces and files, and a tracker with the number of torrents. */
async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({
    port: 0,
    services: [
      served(
        CatalogService,
        { publishTorrent: ({ torrent }) => ({ name: `${torrent?.pieces.length} ${torrent?.files.length}` }) },
        { policies: catalogPolicies(undefined) },
      ),
      served(
        TrackerService,
        { announce: ({ torrents }) => ({ nextAnnounceMs: torrents.length }) },
        { policies: trackerPolicies },
      ),
    ],
    ...options,
  });
  ends.push(() => server.close({ graceMs: 0 }));
  return server;
}

function client(server: RunningServer, format: WireFormat, localAddress = "127.0.0.1"): RawClient {
  const raw = new RawClient(server.url, format === "grpc" ? 2 : 1, { localAddress });
  ends.push(() => raw.close());
  return raw;
}

/** The call with its message packed. */
function packed(format: WireFormat, call: Required<RawRequest>, message: Uint8Array): Required<RawRequest> {
  const body = gzipSync(message);
  const headers = { ...call.headers, ...compressed(format, "gzip") };
  return { ...call, headers, body: isFramed(format) ? framed(body, 1) : body };
}

const largeTorrent = {
  torrent: {
    fileName: "größe",
    totalPieces: 40_000,
    pieces: Array.from({ length: 40_000 }, (_, at) => ({
      number: at + 1,
      hash: at.toString(16).padStart(64, "0"),
    })),
    files: Array.from({ length: 5_000 }, (_, at) => ({ path: `a/"${at}\\`, length: BigInt(at) })),
    trackers: ["http://127.0.0.1:1"],
    comment: "x".repeat(50_000),
    replicationTarget: 3,
  },
  replace: true,
};

describe("a long message decoded in parts", () => {
  const messages: [name: string, schema: DescMessage, init: MessageInitShape<DescMessage>][] = [
    ["a torrent", PublishTorrentRequestSchema, largeTorrent],
    [
      "a registration of two files",
      RegisterPeerRequestSchema,
      {
        peerAddress: "a:1",
        fileInfo: [
          { fileName: "a", pieces: largeTorrent.torrent.pieces },
          { fileName: "b", total: 7, pieces: largeTorrent.torrent.pieces.slice(0, 3) },
        ],
      },
    ],
    [
      "an announce",
      AnnounceRequestSchema,
      {
        event: 1,
        torrents: Array.from({ length: 500 }, () => ({ fileName: "f", bitfield: new Uint8Array(999) })),
      },
    ],
  ];

  it.each(messages)(
    "is what the library makes of it, and lets others in meanwhile: %s",
    async (_, schema, init) => {
      const message = create(schema, init);
      const bytes = toBinary(schema, message);
      const json = toJsonString(schema, message, { prettySpaces: 1 });
      let breaths = 0;
      const breathe = () => {
        breaths++;
        return breathing(0)();
      };
      expect(await decodeBinary(schema, bytes, breathe)).toEqual(fromBinary(schema, bytes));
      expect(breaths).toBeGreaterThan(bytes.length / (64 << 10) - 1);
      breaths = 0;
      expect(await decodeJson(schema, Buffer.from(json), breathe)).toEqual(fromJsonString(schema, json));
      expect(breaths).toBeGreaterThan(json.length / (64 << 10) - 1);
    },
  );

  it.each([
    ["cut off", '{"torrent":{"pieces":['],
    ["with something behind it", `{"name":"${"x".repeat(40_000)}"} {}`],
    ["with a comma too many", `{"name":"${"x".repeat(40_000)}",}`],
    ["with brackets of two kinds", `{"torrent":{"pieces":[${"{},".repeat(20_000)}{}}]}}`],
    ["with a list where a message belongs", `{"torrent":[${"{},".repeat(20_000)}{}]}`],
    ["with objects where a text belongs", `{"name":[${"{},".repeat(20_000)}{}]}`],
    ["nested without end", "[".repeat(100_000)],
    ["with a number that is none", `{"torrent":{"pieces":[${'{"number":1},'.repeat(20_000)}{"number":x}]}}`],
  ])("is refused %s", async (_what, json) => {
    const decoding = decodeJson(PublishTorrentRequestSchema, Buffer.from(json), () => undefined);
    await expect(decoding).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("may have fields that are not known, as long as it likes", async () => {
    const json = `{"extra":[${"{},".repeat(20_000)}{}],"replace":true}`;
    const decoded = await decodeJson(PublishTorrentRequestSchema, Buffer.from(json), () => undefined);
    expect(decoded).toEqual(create(PublishTorrentRequestSchema, { replace: true }));
  });
});

describe.each(wireFormats)("in %s", (format) => {
  it("a large torrent arrives whole, packed or not", async () => {
    const peer = client(await start(), format);
    const plain = callOf(format, publishTorrent, largeTorrent);
    const message = isFramed(format) ? plain.body.subarray(5) : plain.body;
    for (const call of [plain, packed(format, plain, message)]) {
      expect(read(format, publishTorrent, await peer.call(call))).toMatchObject({
        message: { name: "40000 5000" },
      });
    }
  });

  it("a bomb of empty pieces is refused before they become objects", async () => {
    const server = await start();
    const call = callOf(format, publishTorrent, {});
    const bomb =
      format === "connect-json"
        ? Buffer.from(`{"torrent":{"pieces":[${"{},".repeat(5 * MiB)}{}]}}`)
        : field(2, manyEmpty(3, 8 * MiB - 10));
    const answer = await client(server, format).call(packed(format, call, bomb));
    const said = read(format, publishTorrent, answer);
    expect(said).toMatchObject({ text: expect.stringMatching(/pieces: must be at most 131072|more fields/) });
  });

  it("the rate of an address is charged for what a message has unpacked", async () => {
    const server = await start({ limits: { changesBurst: 10, changesPerSecond: 0.001 } });
    const call = callOf(format, announce, { torrents: [{ bitfield: new Uint8Array(MiB) }] });
    const message = isFramed(format) ? call.body.subarray(5) : call.body;
    const peer = client(server, format);
    expect(read(format, announce, await peer.call(packed(format, call, message)))).toHaveProperty("message");
    expect(read(format, announce, await peer.call(callOf(format, announce, {})))).toMatchObject({
      code: "resource_exhausted",
      text: "too many calls from this address",
    });
    const other = client(server, format, "127.0.0.2");
    expect(read(format, announce, await other.call(callOf(format, announce, {})))).toHaveProperty("message");
  });
});

it("the rate of an address is charged for a message that was refused, too", async () => {
  const server = await start({ limits: { changesBurst: 10, changesPerSecond: 0.001 } });
  const peer = client(server, "connect");
  const bomb = packed("connect", callOf("connect", announce, {}), manyEmpty(8, MiB));
  expect(read("connect", announce, await peer.call(bomb))).toMatchObject({ code: "invalid_argument" });
  expect(read("connect", announce, await peer.call(bomb))).toMatchObject({
    text: "too many calls from this address",
  });
});

describe("bodies that are held back", () => {
  it("fill half of the memory for bodies, whatever their method, and leave the rest to others", async () => {
    const server = await start({ limits: { bodyBytes: 4 * MiB } });
    const refused: net.Socket[] = [];
    for (let n = 0; n < 12; n++) {
      const socket = net.connect(server.port, "127.0.0.1");
      ends.push(() => socket.destroy());
      await once(socket, "connect");
      const path = n % 2 === 0 ? "CatalogService/PublishTorrent" : "TrackerService/Announce";
      const type = "application/proto";
      socket.write(
        `POST /pieza.v1.${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: ${MiB}\r\n\r\n`,
      );
      socket.write(new Uint8Array(8 << 10));
      // Those within the share of the address wait for the rest of their bodies, the others are answered.
      if (n >= 2) refused.push(socket);
    }
    for (const socket of refused) {
      const [answer] = await within(HANG_MS, "a refusal", once(socket, "data"));
      expect(String(answer)).toMatch(/^HTTP\/1.1 429 .*resource_exhausted/s);
    }
    const call = callOf("connect", announce, { torrents: [{ bitfield: new Uint8Array(MiB) }] });
    const neighbour = client(server, "connect", "127.0.0.2").call(call);
    expect(
      read("connect", announce, await within(HANG_MS, "a neighbour's answer", neighbour)),
    ).toHaveProperty("message");
  });

  it("count as they arrive where no length is declared", async () => {
    const server = await start({ limits: { bodyBytes: 2 * MiB } });
    const call = callOf("grpc", publishTorrent, { torrent: { comment: "x".repeat(3 * MiB) } });
    expect(read("grpc", publishTorrent, await client(server, "grpc").call(call))).toMatchObject({
      code: "resource_exhausted",
      text: "too many bytes are in transfer here; try again later",
    });
  });

  it("give their room back when their callers leave", async () => {
    const server = await start({ limits: { bodyBytes: 2 * MiB } });
    const peer = client(server, "grpc");
    const call = callOf("grpc", publishTorrent, { torrent: { comment: "x".repeat(MiB - 1_000) } });
    for (let n = 0; n < 5; n++)
      expect(read("grpc", publishTorrent, await peer.call(call))).toHaveProperty("message");
  });
});
