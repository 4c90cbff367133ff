/**
 * Run as a process of its own, so that a crash is an exit code: calls, 300 times, a neighbour that answers one call and
 * then says GOAWAY on the idle connection. Prints how the calls ended.
 */
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { remotePeer } from "#core/rpc/rpc.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import { nodeClock } from "../../../server/base/node-clock.ts";
import { openTransport } from "../../../server/http/client/transports.ts";

const CALLS = 300;
const server = createServer();
server.on("session", (session) => session.on("error", () => {}));
server.on("stream", (stream) => {
  stream.on("error", () => {});
  stream.resume();
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => {
    stream.sendTrailers({ "grpc-status": "0" });
    setImmediate(() => stream.session?.goaway(0));
  });
  // An empty message: a piece of no bytes.
  stream.end(Buffer.alloc(5));
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const { transport, close } = openTransport(url, "grpc");
const peer = remotePeer({
  url,
  transportName: "grpc",
  transport,
  swarm: { infoHash: "ab".repeat(32), totalPieces: 1 },
  pieceLength: () => 1 << 16,
  clock: nodeClock,
  close,
});
const index = new PieceGeometry(1, 1 << 16).index(0);
const outcomes: Record<string, number> = {};
for (let n = 0; n < CALLS; n++) {
  const outcome = await peer.getPiece(index, { write() {} }, new AbortController().signal).then(
    () => "fine",
    (error) => `${error.name} ${error.code}`,
  );
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  // One turn later the GOAWAY has landed on the idle connection, and its error has not been told yet: a call that is
  // made now is what kills an unguarded process.
  if (n % 10 !== 0) await new Promise((resolve) => setImmediate(resolve));
}
peer.close();
server.close();
console.log(JSON.stringify(outcomes));
process.exit(0);
