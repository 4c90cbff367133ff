import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GetPieceRequestSchema, GetPieceResponseSchema } from "#gen/pieza/v1/peer_pb.ts";
import type { RunningServer } from "../../../../server/http/listening/server.ts";
import { pieceBytes, startTestPeer, swarm } from "../../../support/swarms/test-peer.ts";
import { GrpcJsClient } from "../../../support/wire/grpc-js.ts";

const run = promisify(execFile);
const GET_BITFIELD = "/pieza.v1.PeerService/GetBitfield";
const GET_PIECE = "/pieza.v1.PeerService/GetPiece";

let server: RunningServer;
beforeAll(async () => {
  server = await startTestPeer();
});
afterAll(() => server.close({ graceMs: 0 }));

async function curl(...args: string[]): Promise<string> {
  return (await run("curl", ["-sS", "--max-time", "10", ...args])).stdout;
}

describe.each([
  ["HTTP/1.1", "--http1.1"],
  ["HTTP/2 with prior knowledge", "--http2-prior-knowledge"],
  ["HTTP/1.1 with an offer to upgrade", "--http2"],
])("curl over %s", (_name, version) => {
  const json = ["-H", "content-type: application/json"];

  it("posts JSON and reads JSON with the proto's field names", async () => {
    const answer = await curl(version, ...json, "-d", "{}", server.url + GET_BITFIELD);
    expect(JSON.parse(answer)).toEqual({ total_pieces: 4, bitfield: "oA==" });
  });

  it("gets a piece with GET", async () => {
    const query = new URLSearchParams({ connect: "v1", encoding: "proto", base64: "1" });
    const request = create(GetPieceRequestSchema, { infoHash: swarm.infoHash, number: 4 });
    query.set("message", base64Encode(toBinary(GetPieceRequestSchema, request), "url"));
    const { stdout } = await run(
      "curl",
      ["-sS", "--max-time", "10", version, `${server.url}${GET_PIECE}?${query}`],
      { encoding: "buffer" },
    );
    expect(new Uint8Array(fromBinary(GetPieceResponseSchema, stdout).data)).toEqual(pieceBytes(4));
  });

  it("finds /healthz, and nothing elsewhere", async () => {
    expect(await curl(version, `${server.url}/healthz`)).toBe("ok\n");
    expect(await curl(version, "-o", "/dev/null", "-w", "%{http_code}", `${server.url}/nowhere`)).toBe("404");
  });
});

describe("buf curl, by reflection", () => {
  const buf = async (...args: string[]) =>
    (await run("buf", ["curl", "--http2-prior-knowledge", ...args])).stdout;

  it.each(["grpc", "grpcweb", "connect"])("calls over %s", async (protocol) => {
    const answer = await buf("--protocol", protocol, "-d", "{}", server.url + GET_BITFIELD);
    expect(JSON.parse(answer)).toMatchObject({ totalPieces: 4 });
  });

  it.each(["grpc", "grpcweb", "connect"])("asks for its health over %s", async (protocol) => {
    const check = `${server.url}/grpc.health.v1.Health/Check`;
    const answer = await buf("--protocol", protocol, "-d", '{"service":"pieza.v1.PeerService"}', check);
    expect(JSON.parse(answer)).toEqual({ status: "SERVING" });
  });

  it("lists every method", async () => {
    const methods = (await buf("--list-methods", server.url)).trim().split("\n");
    expect(methods).toContain("pieza.v1.PeerService/GetPiece");
    expect(methods).toContain("grpc.health.v1.Health/Watch");
  });
});

describe("@grpc/grpc-js", () => {
  it("gets a piece, and gRPC's code for one that is not there", async () => {
    const client = new GrpcJsClient("pieza/v1/peer.proto", "PeerService", server.url);
    const { data } = await client.call("GetPiece", { info_hash: swarm.infoHash, number: 2 });
    expect(new Uint8Array(data)).toEqual(pieceBytes(2));
    await expect(client.call("Identify", {})).rejects.toMatchObject({ code: 12 });
    client.close();
  });
});

describe("@grpc/grpc-js, asking for the health that every gRPC server can tell", () => {
  it("hears of the server, of each service, of one that is not there, and of a server that is leaving", async () => {
    const leaving = await startTestPeer();
    const client = new GrpcJsClient("grpc/health/v1/health.proto", "grpc.health.v1.Health", leaving.url);
    expect(await client.call("Check", {})).toEqual({ status: 1 });
    expect(await client.call("Check", { service: "pieza.v1.PeerService" })).toEqual({ status: 1 });
    await expect(client.call("Check", { service: "x.Y" })).rejects.toMatchObject({ code: 5 });
    leaving.setHealth(false);
    expect(await client.call("Check", {})).toEqual({ status: 2 });
    client.close();
    await leaving.close({ graceMs: 0 });
  });
});

describe("a piece's answer", () => {
  const accept = { "accept-encoding": "gzip, br, deflate", "grpc-accept-encoding": "gzip,br" };

  it.each([
    [
      "application/proto",
      () => toBinary(GetPieceRequestSchema, create(GetPieceRequestSchema, { number: 1 })),
    ],
    ["application/json", () => JSON.stringify({ number: 1 })],
    ["application/grpc-web+proto", () => Buffer.from("0000000002" + "1001", "hex")],
  ])("as %s carries no encoding, although the caller takes any", async (type, body) => {
    const response = await fetch(server.url + GET_PIECE, {
      method: "POST",
      headers: { "content-type": type, ...accept },
      body: body() as BodyInit,
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-encoding")).toBeNull();
    expect(response.headers.get("grpc-encoding") ?? "identity").toBe("identity");
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (type === "application/grpc-web+proto") expect(bytes[0], "the compressed flag").toBe(0);
    expect(bytes.length).toBeGreaterThanOrEqual(1 << 16);
  });
});

describe("what is not an RPC", () => {
  const post = (type: string | undefined, path = GET_BITFIELD) =>
    fetch(server.url + path, {
      method: "POST",
      body: Buffer.from("{}"),
      headers: type === undefined ? {} : { "content-type": type },
    });

  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", undefined])(
    "%s gets 415: no page can send a call without a preflight",
    async (type) => expect((await post(type)).status).toBe(415),
  );

  it("grpc-web-text gets 415", async () => {
    expect((await post("application/grpc-web-text")).status).toBe(415);
  });

  it("GET of a method that is no read gets 405", async () => {
    expect((await fetch(`${server.url}/grpc.health.v1.Health/Check?connect=v1`)).status).toBe(405);
  });
});

describe("caching", () => {
  it("is off unless the service says otherwise, and always off for failures", async () => {
    const kept = await startTestPeer({
      getPiece(number, { responseHeader }) {
        responseHeader.set("cache-control", "public, max-age=31536000, immutable");
        if (number === 2) throw new Error("after the header was set");
        return pieceBytes(number);
      },
    });
    const ask = async (path: string, body: object) => {
      const response = await fetch(kept.url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return [response.status, response.headers.get("cache-control")];
    };
    expect(await ask(GET_PIECE, { number: 1 })).toEqual([200, "public, max-age=31536000, immutable"]);
    expect(await ask(GET_PIECE, { number: 2 })).toEqual([500, "no-store"]);
    expect(await ask(GET_BITFIELD, {})).toEqual([200, "no-store"]);
    await kept.close({ graceMs: 0 });
  });
});
