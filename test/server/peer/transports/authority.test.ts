import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { afterEach, expect, it } from "vitest";
import { Reach } from "../../../../server/http/client/reach.ts";
import { connectPeer } from "../../../../server/peer/transports/connect.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server of Node's on an IPv6 address, which notes by what name it is called and gives no right answer. */
async function noteTaker(version: 1 | 2): Promise<{ url: string; names: (string | undefined)[] }> {
  const names: (string | undefined)[] = [];
  const server: Server =
    version === 1
      ? http.createServer(({ headers }, response) => {
          names.push(headers.host);
          response.writeHead(404).end();
        })
      : http2.createServer(({ headers }, response) => {
          names.push(headers[":authority"]);
          response.writeHead(404).end();
        });
  server.listen(0, "::1");
  await once(server, "listening");
  ends.push(() => server.close());
  return { url: `http://[::1]:${(server.address() as AddressInfo).port}`, names };
}

it.each([
  { transport: "auto", version: 1 },
  { transport: "connect", version: 1 },
  { transport: "grpc-web", version: 1 },
  { transport: "grpc", version: 2 },
] as const)("over $transport, a peer at an IPv6 address is named with brackets", async (way) => {
  const { url, names } = await noteTaker(way.version);
  const { torrent, geometry } = await makeTorrent({ length: 1_000 });
  const pieceLength = (index: number) => geometry.lengthOf(geometry.index(index));
  const reach = new Reach();
  await reach.named(url, [url]);
  const peer = connectPeer(
    torrent,
    { ca: undefined, transport: way.transport, reach },
    { url, legacy: false, pieceLength },
  );
  ends.push(() => peer.close());
  const signal = AbortSignal.timeout(8_000);
  await expect(peer.getPiece(geometry.index(0), { write() {} }, signal)).rejects.toThrow();
  await expect(peer.getBitfield(signal)).rejects.toThrow();
  const { host } = new URL(url);
  expect(names.length).toBeGreaterThan(1);
  expect(new Set(names)).toEqual(new Set([host]));
});
