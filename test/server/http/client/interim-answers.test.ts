import { once } from "node:events";
import { createServer } from "node:http2";
import net, { type AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { messageOf } from "#core/base/errors.ts";
import { getText } from "../../../../server/cli/clients/http-get.ts";
import { checkServer } from "../../../../server/cli/doctor/check-server.ts";
import { Reach } from "../../../../server/http/client/reach.ts";
import { openTracker } from "../../../../server/peer/transports/connect.ts";
import { geometry, swarm } from "../../../support/swarms/test-peer.ts";
import { openWay, ways } from "../../../support/wire/hostile-ways.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Some of them in one write, as many as it takes to fill a socket. */
const INTERIM = Buffer.from("HTTP/1.1 102 Processing\r\n\r\n".repeat(100));

/** A server that sends interim answers as fast as they are read, over either HTTP, for as long as somebody reads. */
async function endless(): Promise<{ url: string; sent: () => number }> {
  let sent = 0;
  const http2 = createServer();
  http2.on("session", (session) => session.on("error", () => {}));
  http2.on("stream", (stream) => {
    stream.on("error", () => {});
    const pour = () => {
      for (let n = 0; n < 100 && !stream.destroyed; n++, sent++) stream.additionalHeaders({ ":status": 102 });
      if (!stream.destroyed) setImmediate(pour);
    };
    pour();
  });
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).once("close", () => sockets.delete(socket));
    socket.once("data", (bytes) => {
      if (bytes.toString("latin1", 0, 3) === "PRI") {
        socket.unshift(bytes);
        http2.emit("connection", socket);
        return;
      }
      socket.resume();
      const pour = () => {
        sent += 100;
        socket.write(INTERIM, () => socket.destroyed || setImmediate(pour));
      };
      pour();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent: () => sent };
}

/** More than what lies in the buffers of two sockets when a client hangs up; an endless row would be millions. */
const FEW = 500_000;
const signal = () => AbortSignal.timeout(8_000);

describe("interim answers (1xx) without end", () => {
  // A page reads answers with its browser's fetch, which nobody else can bound.
  it.each(ways.filter((way) => way !== "fetch"))("end a call for a piece over %s", async (way) => {
    const { url, sent } = await endless();
    const peer = openWay(way, url, swarm, geometry, 1);
    ends.push(() => peer.close());
    const call = peer.getPiece(geometry.index(0), { write() {} }, signal());
    await expect(call).rejects.toMatchObject({ name: "PeerFailed", code: "unavailable" });
    expect(sent()).toBeLessThan(FEW);
  });

  it("end the reading of a torrent, a question to a tracker, and a look of the doctor", async () => {
    const { url, sent } = await endless();
    await expect(getText(url, { maxBytes: 1_000, signal: signal() })).rejects.toMatchObject({
      code: "unavailable",
      message: `cannot reach ${url}: more than 64 interim answers (1xx) and no answer`,
    });
    for (const transport of ["auto", "connect"] as const) {
      const tracker = await openTracker(url, { transport, ca: undefined, reach: new Reach() });
      ends.push(() => tracker.close());
      const asked = tracker.locate({ infoHash: swarm.infoHash, totalPieces: 4 } as never, signal());
      const error = await asked.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "unavailable" });
      expect(messageOf(error)).not.toContain("timed out");
    }
    const { findings } = await checkServer(url, "tracker", { ca: undefined, signal: signal() });
    expect(JSON.stringify(findings)).toContain("interim answers");
    expect(sent()).toBeLessThan(4 * FEW);
  });
});
