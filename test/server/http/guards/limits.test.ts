import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { compressionGzip, createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { CatalogService } from "#gen/pieza/v1/catalog_pb.ts";
import { AnnounceRequestSchema, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { catalogPolicies } from "../../../../server/catalog/service.ts";
import { limits } from "../../../../server/http/base/limits.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { type MethodPolicy, policyOf } from "../../../../server/http/guards/policy.ts";
import { served } from "../../../../server/http/handling/served-service.ts";
import {
  type RunningServer,
  type ServerOptions,
  startServer,
} from "../../../../server/http/listening/server.ts";
import { trackerPolicies } from "../../../../server/tracker/service.ts";

const KiB = 1 << 10;
const MiB = 1 << 20;
const kinds = ["grpc", "grpc-web", "connect"] as const;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Answers how many bytes of names and secrets it was sent. */
async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({
    port: 0,
    services: [
      served(
        TrackerService,
        {
          announce: ({ leaseSecret }) => ({ nextAnnounceMs: leaseSecret.length }),
          scrape: ({ infoHashes }) => ({ swarms: [{ totalPieces: infoHashes.join("").length }] }),
          locatePieces: ({ fileName }) => ({ infoHash: "a".repeat(Number(fileName)) }),
        },
        { policies: trackerPolicies },
      ),
    ],
    ...options,
  });
  ends.push(() => server.close({ graceMs: 0 }));
  return server;
}

function dial(server: RunningServer, kind: (typeof kinds)[number], readMaxBytes = 64 * KiB) {
  const { transport, close } = openTransport(server.url, kind, { readMaxBytes });
  ends.push(close);
  return createClient(TrackerService, transport);
}

async function codeOf(call: Promise<unknown>): Promise<Code | "fine"> {
  return call.then(
    () => "fine" as const,
    (error) => ConnectError.from(error).code,
  );
}

describe.each(kinds)("messages over %s", (kind) => {
  it("may have 64 KiB, and 4 MiB in Announce", async () => {
    const tracker = dial(await start(), kind);
    expect(await codeOf(tracker.scrape({ infoHashes: ["a".repeat(63 * KiB)] }))).toBe("fine");
    expect(await codeOf(tracker.scrape({ infoHashes: ["a".repeat(65 * KiB)] }))).toBe(Code.ResourceExhausted);
    const { nextAnnounceMs } = await tracker.announce({ leaseSecret: "a".repeat(4 * MiB - KiB) });
    expect(nextAnnounceMs).toBe(4 * MiB - KiB);
    expect(await codeOf(tracker.announce({ leaseSecret: "a".repeat(4 * MiB) }))).toBe(Code.ResourceExhausted);
  });

  it("are refused by the client before it has them, if the answer is too long", async () => {
    const tracker = dial(await start(), kind, 10 * KiB);
    expect(await codeOf(tracker.locatePieces({ fileName: String(9 * KiB) }))).toBe("fine");
    expect(await codeOf(tracker.locatePieces({ fileName: String(4 * MiB) }))).toBe(Code.ResourceExhausted);
  });

  it("may name no deadline that a timer cannot hold", async () => {
    const tracker = dial(await start(), kind);
    expect(await codeOf(tracker.scrape({}, { timeoutMs: 2_147_483_647 }))).toBe(Code.InvalidArgument);
    expect(await codeOf(tracker.scrape({}, { timeoutMs: 2_078_000 }))).toBe("fine");
  });
});

describe("compression", () => {
  const scrape = "/pieza.v1.TrackerService/Scrape";
  const post = async (body: Uint8Array, encoding: string) => {
    const response = await fetch((await start()).url + scrape, {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": encoding },
      body: body as Uint8Array<ArrayBuffer>,
    });
    return { status: response.status, ...((await response.json()) as { code?: string }) };
  };

  it("of requests is understood", async () => {
    const transport = createGrpcTransport({ baseUrl: (await start()).url, sendCompression: compressionGzip });
    const tracker = createClient(TrackerService, transport);
    const { swarms } = await tracker.scrape({ infoHashes: ["a".repeat(32 * KiB)] });
    expect(swarms[0]?.totalPieces).toBe(32 * KiB);
  });

  it("of 64 MiB into 64 KiB is refused while it is unpacked", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * MiB, 0x20));
    expect(bomb.length).toBeLessThan(66 * KiB);
    expect(await post(bomb, "gzip")).toMatchObject({ status: 429, code: "resource_exhausted" });
  });

  it("that is none is the caller's mistake", async () => {
    expect(await post(Buffer.from("not gzip"), "gzip")).toMatchObject({
      status: 400,
      code: "invalid_argument",
    });
  });

  it("that nobody offered is not understood", async () => {
    expect(await post(Buffer.from("{}"), "zstd")).toMatchObject({ status: 501, code: "unimplemented" });
  });
});

describe("hostile messages", () => {
  it("with __proto__ among their names change no prototype", async () => {
    await fetch(`${(await start()).url}/pieza.v1.TrackerService/Scrape`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"__proto__":{"polluted":1}}',
    });
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe("the rate of changing calls", () => {
  it("is bounded for an address, with a hint, before the body is read", async () => {
    const server = await start({ limits: { changesBurst: 3, changesPerSecond: 0.1 } });
    const tracker = dial(server, "connect");
    const codes = [];
    for (let n = 0; n < 4; n++) codes.push(await codeOf(tracker.announce({})));
    expect(codes).toEqual(["fine", "fine", "fine", Code.ResourceExhausted]);
    const response = await fetch(`${server.url}/pieza.v1.TrackerService/Announce`, {
      method: "POST",
      headers: { "content-type": "application/proto" },
      body: toBinary(
        AnnounceRequestSchema,
        create(AnnounceRequestSchema, { leaseSecret: "a".repeat(3 * MiB) }),
      ),
    });
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ message: "too many calls from this address" });
    expect(response.headers.get("retry-after")).toBe("10");
    expect(Number(response.headers.get("retry-after-ms"))).toBeLessThanOrEqual(10_000);
  });

  it("leaves reads alone, and everything on closed networks", async () => {
    const server = await start({ limits: { changesBurst: 1 } });
    const tracker = dial(server, "connect");
    for (let n = 0; n < 5; n++) expect(await codeOf(tracker.locatePieces({ fileName: "1" }))).toBe("fine");
    const closed = dial(await start({ limits: { changesBurst: 1 }, rateLimit: false }), "connect");
    for (let n = 0; n < 5; n++) expect(await codeOf(closed.announce({}))).toBe("fine");
  });
});

describe("the policies of the methods", () => {
  it("say what changes something and how large a message is", () => {
    const policies = { ...trackerPolicies, ...catalogPolicies("token") };
    const methods = [...CatalogService.methods, ...TrackerService.methods];
    const resolved = methods.map((method) => {
      const own = (policies as Readonly<Record<string, MethodPolicy>>)[method.localName] ?? {};
      const { changes, rated, requestBytes, authority } = policyOf(method, own, limits);
      return [method.localName, changes, rated, requestBytes / KiB, authority !== undefined];
    });
    expect(resolved).toEqual([
      ["listTorrents", false, false, 64, false],
      ["getTorrent", false, false, 64, false],
      ["publishTorrent", true, true, 16 * KiB, true],
      ["deleteTorrent", true, true, 64, true],
      ["announce", true, true, 4 * KiB, false],
      ["locatePieces", false, false, 64, false],
      ["scrape", false, false, 64, false],
      ["watchSwarm", false, false, 64, false],
    ]);
  });
});
