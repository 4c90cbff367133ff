import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { PeerFailed } from "#core/base/errors.ts";
import { remotePeer } from "#core/rpc/rpc.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { grpcPeer } from "../../../../server/peer/transports/grpc-peer.ts";
import { type PeerCase, remotePeerContract } from "../../../contract/remote-peer.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { geometry, swarm } from "../../../support/swarms/test-peer.ts";

const open = ({ url, swarm, geometry, clock }: PeerCase) => {
  const { transport, close } = openTransport(url, "grpc", { readMaxBytes: geometry.pieceLength + 1024 });
  const pieceLength = (index: number) => geometry.lengthOf(geometry.index(index));
  const fallback = remotePeer({ url, transportName: "grpc", transport, swarm, pieceLength, clock, close });
  return grpcPeer({ url, infoHash: swarm.infoHash, pieceLength, clock, fallback });
};

remotePeerContract("our own gRPC sessions", open);

it("asks over a new connection after a request that stalled", async () => {
  const server = http2.createServer();
  let sessions = 0;
  server.on("session", () => sessions++);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const peer = open({ url, swarm, geometry, clock: new FakeClock() });
  const stalled = async () => {
    const stop = new AbortController();
    const asked = once(server, "stream");
    const call = peer.getPiece(geometry.index(0), { write() {} }, stop.signal).catch(() => {});
    await asked;
    stop.abort(new PeerFailed("deadline_exceeded", "no more than 9 bytes of the piece in 10 s"));
    await call;
  };
  await stalled();
  await stalled();
  expect(sessions).toBe(2);
  peer.close();
  server.close();
});
