import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MethodDescriptor, RpcError } from "grpc-web";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { sha256 } from "#core/base/hash.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import {
  type GetPieceRequest,
  GetPieceRequestSchema,
  type GetPieceResponse,
  GetPieceResponseSchema,
} from "#gen/pieza/v1/peer_pb.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { startServing } from "../../../../server/peer/serving/serving.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { XmlHttpRequest } from "../../../support/wire/xml-http-request.ts";

const GET_PIECE = "/pieza.v1.PeerService/GetPiece";

vi.stubGlobal("XMLHttpRequest", XmlHttpRequest);
afterAll(() => vi.unstubAllGlobals());
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The official client, with the two halves that its own generator would have written. */
async function openClient(url: string) {
  const { default: grpcWeb } = await import("grpc-web");
  const descriptor = new grpcWeb.MethodDescriptor(
    GET_PIECE,
    "unary",
    Object as never,
    Object as never,
    (request: GetPieceRequest) => toBinary(GetPieceRequestSchema, request),
    (bytes: Uint8Array) => fromBinary(GetPieceResponseSchema, bytes),
  ) as MethodDescriptor<GetPieceRequest, GetPieceResponse>;
  const client = new grpcWeb.GrpcWebClientBase({ format: "binary" });
  return (infoHash: string, number: number) =>
    client.unaryCall(url + GET_PIECE, create(GetPieceRequestSchema, { infoHash, number }), {}, descriptor);
}

describe("the official grpc-web client, in binary mode", () => {
  // By the library's handler, and past it.
  it.each([true, false])(
    "downloads a torrent's pieces and is told what is not there (direct: %s)",
    async (direct) => {
      const { server, torrents } = await startServing({ port: 0, direct });
      ends.push(() => server.close({ graceMs: 0 }));
      const made = await makeTorrent({ length: 5 * 65_536 + 1, pieceLength: 65_536 });
      const store = new MemoryPieceStore(made.geometry);
      for (const index of made.geometry.indices()) {
        store.write(index, 0, made.bytes(index));
        store.commit(index);
      }
      torrents.add(made.torrent, store);
      const { infoHash, pieces } = made.torrent;

      const getPiece = await openClient(server.url);
      for (const [index, hash] of pieces.entries()) {
        const { data } = await getPiece(infoHash, index + 1);
        expect(await sha256(nodeHasher, data)).toBe(hash);
      }
      const failures: [string, number, Partial<RpcError>][] = [
        [infoHash, 7, { code: 11, message: "there is no piece 7, only 1 to 6" }],
        ["0".repeat(64), 1, { code: 5 }],
        ["x", 1, { code: 3, message: expect.stringContaining("info_hash") }],
      ];
      for (const [hash, number, error] of failures) {
        await expect(getPiece(hash, number)).rejects.toMatchObject(error);
      }
    },
  );
});
