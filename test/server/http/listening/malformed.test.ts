import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http2 from "node:http2";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { startCatalog } from "../../../../server/catalog/catalog.ts";
import type { LogEvent } from "../../../../server/http/base/log.ts";
import { startServing } from "../../../../server/peer/serving/serving.ts";
import { startTracker } from "../../../../server/tracker/tracker.ts";
import { callOf, read, type WireFormat } from "../../../support/wire/wire-formats.ts";

/** Every server, on a bind that takes all names; none may log a word about any of these requests. */
const servers = ["tracker", "catalog", "peer"] as const;
const ports: Partial<Record<(typeof servers)[number], number>> = {};
const logged: LogEvent[] = [];
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  const log = (line: LogEvent) => void (line.level === "error" && logged.push(line));
  const edge = { port: 0, host: "::", log };
  const directory = await mkdtemp(join(tmpdir(), "pieza-malformed-"));
  ends.push(() => rm(directory, { recursive: true }));
  const tracker = await startTracker(edge);
  ends.push(() => tracker.close());
  const catalog = await startCatalog({ ...edge, directory, trackers: [], open: true });
  ends.push(() => catalog.close({ graceMs: 0 }));
  const { server } = await startServing(edge);
  ends.push(() => server.close({ graceMs: 0 }));
  Object.assign(ports, { tracker: tracker.port, catalog: catalog.port, peer: server.port });
});
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The status and the text of the answer to a head that is sent as it is. */
async function answerTo(port: number, head: string): Promise<{ status: number; text: string }> {
  const socket = net.connect(port, "::1");
  await once(socket, "connect");
  socket.write(`${head}\r\nconnection: close\r\n\r\n`, "latin1");
  const answer = (await buffer(socket)).toString("latin1");
  return { status: Number(answer.slice(9, 12)), text: answer.split("\r\n\r\n")[1] ?? "" };
}

const HOST = "host: [::1]:80";

describe.each(servers)("a %s", (server) => {
  it.each([
    "GET // HTTP/1.1",
    "GET //[ HTTP/1.1",
    "GET /\\ HTTP/1.1",
    "GET /%zz HTTP/1.1",
    "GET /files/%zz.json HTTP/1.1",
    "GET /pieces/%00/1 HTTP/1.1",
    "HEAD //x:99999/ HTTP/1.1",
    "GET http://[ HTTP/1.1",
    "GET http:// HTTP/1.1",
    "GET http://a:99999/ HTTP/1.1",
    "GET ftp://a/ HTTP/1.1",
    "GET * HTTP/1.1",
    "GET healthz HTTP/1.1",
    "POST http://[ HTTP/1.1\r\ncontent-length: 0",
    "OPTIONS // HTTP/1.1",
    "OPTIONS http://[ HTTP/1.1",
  ])("answers %j with 400, 404 or, to OPTIONS, 204", async (line) => {
    const { status } = await answerTo(ports[server]!, `${line}\r\n${HOST}`);
    expect(line.startsWith("OPTIONS //") ? [204] : [400, 404]).toContain(status);
    expect(logged).toEqual([]);
  });

  it.each([
    "a b",
    "[::1",
    "::1]:80",
    "a:99999",
    "a/b",
    "a@b",
    "[::zz]:80",
    "a:b",
    "1.2.3.999",
    "a\r\nhost: b",
  ])("answers a Host of %j with 400 in words, to a page and to a call", async (host) => {
    for (const line of ["GET /healthz", `POST ${EMPTY_CALL}`]) {
      const headers = "content-type: application/json\r\ncontent-length: 0";
      const { status, text } = await answerTo(
        ports[server]!,
        `${line} HTTP/1.1\r\nhost: ${host}\r\n${headers}`,
      );
      expect([status, text]).toEqual([400, "the Host of the request is no host and port\n"]);
    }
    expect(logged).toEqual([]);
  });

  it("takes a whole URL as the target", async () => {
    const port = ports[server]!;
    const { status, text } = await answerTo(port, "GET http://[::1]:80/healthz?x HTTP/1.1\r\nhost: other");
    expect([status, text]).toEqual([200, "ok\n"]);
    expect((await answerTo(port, `GET http://[::1] HTTP/1.1\r\n${HOST}`)).status).toBe(200);
  });
});

/** Health is a service of every server, and the library answers it. */
const EMPTY_CALL = "/grpc.health.v1.Health/Check";

describe("over HTTP/2", () => {
  const { scrape } = TrackerService.method;
  const { getBitfield } = PeerService.method;
  const formats: WireFormat[] = ["connect", "connect-json", "grpc-web", "grpc"];

  async function ask(port: number, headers: http2.OutgoingHttpHeaders, body?: Uint8Array) {
    const session = http2.connect(`http://[::1]:${port}`);
    const stream = session.request(headers);
    stream.end(body);
    let trailers: http2.IncomingHttpHeaders = {};
    stream.once("trailers", (fields) => {
      trailers = fields;
    });
    const [head] = await once(stream, "response");
    const answer = await buffer(stream);
    session.close();
    return {
      status: head[":status"],
      headers: head,
      trailers: trailers as Record<string, string>,
      body: answer,
    };
  }

  // Node writes `::1:21450` by itself, for itself and for every program that uses its HTTP/2 client.
  it.each(formats)("a %s call that names an IPv6 address without brackets is answered", async (format) => {
    const calls = [
      { port: ports.tracker!, method: scrape, call: callOf(format, scrape, {}) },
      {
        port: ports.peer!,
        method: getBitfield,
        call: callOf(format, getBitfield, { infoHash: "ab".repeat(32) }),
      },
    ];
    for (const { port, method, call } of calls) {
      const answers = [];
      for (const authority of [`::1:${port}`, `[::1]:${port}`, "::1", "localhost"]) {
        const headers = { ":method": "POST", ":path": call.path, ":authority": authority, ...call.headers };
        const answer = await ask(port, headers, call.body);
        expect(answer.status, authority).not.toBe(503);
        answers.push(read(format, method as never, answer as never));
      }
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    }
  });

  // Node itself resets the stream for characters that no host has, such as a space.
  it.each(["[::1", "a:99999", "1.2.3.999"])(
    "an :authority of %j is answered with 400 in words",
    async (authority) => {
      for (const port of Object.values(ports)) {
        const headers = { ":method": "POST", ":path": EMPTY_CALL, ":authority": authority };
        const { status, body } = await ask(port, { ...headers, "content-type": "application/json" });
        expect([status, body.toString()]).toEqual([400, "the Host of the request is no host and port\n"]);
      }
      expect(logged).toEqual([]);
    },
  );
});
