import net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import type { LocateQuery, Tracker } from "#core/ports/tracker.ts";
import { trackerClient } from "../../../../server/peer/transports/connect-clients.ts";
import { PlainCalls } from "../../../../server/peer/transports/plain-calls.ts";
import { PlainTracker } from "../../../../server/peer/transports/plain-tracker.ts";
import { startTracker } from "../../../../server/tracker/tracker.ts";
import { neverBusy } from "../../../support/swarms/never-busy.ts";

const swarm: LocateQuery = { infoHash: "ab".repeat(32), totalPieces: 9 };
const soon = () => AbortSignal.timeout(10_000);
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The tracker over plain sockets, and how often it went to the library. */
function open(url: string) {
  let loads = 0;
  const tracker = new PlainTracker(url, async () => {
    loads++;
    return trackerClient(url, undefined);
  });
  ends.push(() => tracker.close());
  return { tracker, loads: () => loads };
}

function openLibrary(url: string): Tracker {
  const tracker = trackerClient(url, undefined);
  ends.push(tracker.close);
  return tracker;
}

async function start() {
  const tracker = await startTracker({ ...neverBusy, port: 0 });
  ends.push(() => tracker.close());
  return tracker.url;
}

/** A server that answers each connection's bytes as it is told. */
async function raw(answer: (socket: net.Socket, connection: number) => void) {
  let connections = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    const number = ++connections;
    sockets.add(socket.on("error", () => {}));
    socket.on("data", () => answer(socket, number));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as net.AddressInfo;
  return { url: `http://127.0.0.1:${port}`, connections: () => connections };
}

const http = (status: string, type: string, body: string, ...more: string[]) =>
  [`HTTP/1.1 ${status}`, `content-type: ${type}`, `content-length: ${body.length}`, ...more, "", body].join(
    "\r\n",
  );
/** total_pieces 9, turn 1. */
const TABLE = "\x10\x09\x20\x01";

describe("a tracker over plain sockets", () => {
  it("names the swarm as over gRPC, without the library", async () => {
    const url = await start();
    const library = openLibrary(url);
    await library.announce(
      {
        event: "started",
        address: { port: 0, tls: false, identifyKey: new Uint8Array(32) },
        torrents: [{ ...swarm, fileName: "f", revision: 1, bitfield: Bitfield.of(9, [1, 8]) }],
        left: [],
      },
      soon(),
    );
    const { tracker, loads } = open(url);
    const table = await tracker.locate(swarm, soon());
    const same = await library.locate(swarm, soon());
    expect({ ...table, turn: 0 }).toEqual({ ...same, turn: 0 });
    expect(loads()).toBe(0);
  });

  it("fails as over gRPC, in the same words", async () => {
    const url = await start();
    const { tracker } = open(url);
    const problems = [{ ...swarm, infoHash: "short" }, { ...swarm, totalPieces: 4_000_000_000 }, swarm];
    for (const query of problems) {
      const said = async (way: Tracker) =>
        way.locate(query, soon()).then(
          (table) => ({ peers: table.peers }),
          ({ name, code, message }) => ({ name, code, message }),
        );
      expect(await said(tracker)).toEqual(await said(openLibrary(url)));
    }
  });

  it("announces through the library, which is loaded once", async () => {
    const { tracker, loads } = open(await start());
    const announce = { event: "started", torrents: [], left: [] } as const;
    const address = { port: 0, tls: false, identifyKey: new Uint8Array(32) };
    for (let n = 0; n < 2; n++) await tracker.announce({ ...announce, address }, soon());
    expect(loads()).toBe(1);
  });

  it("is out of reach where nobody listens", async () => {
    const { tracker } = open("http://127.0.0.1:1");
    await expect(tracker.locate(swarm, soon())).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("keeps its connection, and opens another when the server has closed it", async () => {
    const server = await raw((socket, connection) => {
      socket.write(http("200 OK", "application/proto", TABLE));
      if (connection === 2) socket.end();
    });
    const { tracker } = open(server.url);
    for (let n = 0; n < 3; n++) expect((await tracker.locate(swarm, soon())).turn).toBe(1);
    expect(server.connections()).toBe(1);
    // While it lies idle, as a restart does.
    const again = await raw((socket) => {
      socket.write(http("200 OK", "application/proto", TABLE));
      setImmediate(() => socket.destroy());
    });
    const { tracker: other, loads } = open(again.url);
    for (let n = 0; n < 3; n++) expect((await other.locate(swarm, soon())).turn).toBe(1);
    expect(loads()).toBe(0);
  });

  it.each([
    [
      "that is chunked",
      "HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["of another kind", http("200 OK", "text/html", "<p>")],
    ["that is encoded", http("200 OK", "application/proto", "x", "content-encoding: gzip")],
    ["of a server that speaks HTTP/2 alone", "\0\0\0\x04\0\0\0\0\0"],
    ["that is longer than it says", `${http("200 OK", "application/proto", TABLE)}!`],
  ])("leaves an answer %s to the library, for good", async (_what, answer) => {
    const server = await raw((socket) => socket.write(answer, "latin1"));
    let asked = 0;
    const library = {
      url: server.url,
      announce: () => Promise.reject(new Error("not asked for")),
      locate: async () => ({ peers: [], turn: ++asked, trackerId: "", nextLocateMs: 0 }),
      close() {},
    };
    const tracker = new PlainTracker(server.url, async () => library);
    ends.push(() => tracker.close());
    expect((await tracker.locate(swarm, soon())).turn).toBe(1);
    expect((await tracker.locate(swarm, soon())).turn).toBe(2);
    expect(server.connections()).toBe(1);
  });

  it.each([
    [
      http("503 No", "application/json", '{"code":"unavailable","message":"soon"}', "retry-after: 2"),
      "unavailable",
      2_000,
    ],
    [http("429 No", "application/json", "{}", "retry-after-ms: 70"), "unavailable", 70],
    [http("404 No", "text/plain", "nothing here"), "unimplemented", undefined],
    [http("403 No", "text/html", "x".repeat(17 << 10)), "permission_denied", undefined],
    [
      http("400 No", "application/json", '{"code":"not_found","message":"a\\u0007b"}'),
      "not_found",
      undefined,
    ],
    [http("500 No", "application/json", '{"code":"unknown"}'), "unavailable", undefined],
  ])("reads %.200j as %s", async (answer, code, retryAfterMs) => {
    const { tracker } = open((await raw((socket) => socket.write(answer))).url);
    await expect(tracker.locate(swarm, soon())).rejects.toMatchObject({ code, retryAfterMs });
  });
});

describe("a plain call", () => {
  const calls = (url: string) => {
    const made = new PlainCalls(url);
    ends.push(() => made.close());
    return made;
  };
  const path = "/pieza.v1.TrackerService/LocatePieces";
  const limits = { timeoutMs: 10_000, maxBytes: 3 };
  const nothing = new Uint8Array(0);

  it("ends at its deadline, with its signal's reason, and when it is closed", async () => {
    const { url } = await raw(() => {});
    const signal = soon();
    await expect(calls(url).call(path, nothing, { ...limits, timeoutMs: 20, signal })).rejects.toMatchObject({
      code: "deadline_exceeded",
    });
    const reason = new Error("enough");
    const abort = new AbortController();
    const aborted = calls(url).call(path, nothing, { ...limits, signal: abort.signal });
    abort.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    const closing = calls(url);
    const call = closing.call(path, nothing, { ...limits, signal });
    closing.close();
    await expect(call).rejects.toMatchObject({ code: "unavailable" });
    await expect(closing.call(path, nothing, { ...limits, signal })).rejects.toMatchObject({
      code: "unavailable",
    });
  });

  it("reads no answer that is longer than it may be", async () => {
    const { url } = await raw((socket) => socket.write(http("200 OK", "application/proto", "four")));
    await expect(calls(url).call(path, nothing, { ...limits, signal: soon() })).rejects.toMatchObject({
      code: "internal",
    });
  });
});
