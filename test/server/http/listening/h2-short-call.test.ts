import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { GetBitfieldRequestSchema, type PeerService } from "#gen/pieza/v1/peer_pb.ts";
import type { DirectMethod } from "../../../../server/http/direct/direct.ts";
import type { PlainHttp, ServerOptions } from "../../../../server/http/handling/options.ts";
import type { ServiceOptions } from "../../../../server/http/handling/served-service.ts";
import { within } from "../../../support/deadline.ts";
import { startTestPeer, swarm } from "../../../support/swarms/test-peer.ts";

const PATH = "/pieza.v1.PeerService/GetBitfield";
const HANG_MS = 8_000;
const QUESTION = toBinary(GetBitfieldRequestSchema, create(GetBitfieldRequestSchema, swarm));

/** A connection to a server whose GetBitfield is answered so. */
function dial(answer: DirectMethod["answer"]): Promise<ClientHttp2Session> {
  return dialTo({ direct: { getBitfield: { read: (message) => message, answer } } });
}

async function dialTo(
  peer: ServiceOptions<typeof PeerService>,
  options: Partial<ServerOptions> = {},
): Promise<ClientHttp2Session> {
  const server = await startTestPeer({}, options, peer);
  const session = connect(server.url);
  onTestFinished(async () => {
    session.destroy();
    await server.close({ graceMs: 0 });
  });
  return session;
}

async function call(session: ClientHttp2Session): Promise<{ headers: IncomingHttpHeaders; body: string }> {
  const stream = session.request({
    ":method": "POST",
    ":path": PATH,
    "content-type": "application/proto",
  });
  stream.end(QUESTION);
  const [headers] = await within(HANG_MS, "the answer", once(stream, "response"));
  let body = "";
  for await (const chunk of stream.setEncoding("latin1")) body += chunk;
  return { headers, body };
}

const answerOf = (body: string, headers: Readonly<Record<string, string>> = {}) => ({
  parts: [Buffer.from(body)],
  headers,
});

describe("a short call over HTTP/2", () => {
  it("gives back what its answer took, and tells who waits for its end, once its stream has closed", async () => {
    const done = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const session = await dial(async (_message, _caller, onGone) => {
      onGone(gone.resolve);
      return { ...answerOf("abc"), done: done.resolve };
    });
    expect((await call(session)).body).toBe("abc");
    await within(HANG_MS, "both are told", Promise.all([done.promise, gone.promise]));
  });

  it("has the headers of its own answer, whatever the one before had", async () => {
    const answers = [
      answerOf("a", { "cache-control": "no-store" }),
      answerOf("a", { "cache-control": "no-store" }),
      answerOf("b", { "cache-control": "no-cache" }),
      answerOf("bb", { "cache-control": "no-cache" }),
      answerOf("b", { "cache-control": "no-cache", "x-more": "1" }),
      answerOf("b", { "cache-control": "no-cache" }),
    ];
    const left = [...answers];
    const session = await dial(async () => left.shift()!);
    for (const { parts, headers } of answers) {
      const answer = await call(session);
      expect(answer.headers).toMatchObject({ ":status": 200, ...headers });
      expect(answer.headers["content-length"]).toBe(String(parts[0]!.length));
      expect(answer.headers["x-more"]).toBe((headers as Record<string, string>)["x-more"]);
    }
  });

  it("has the headers of the gates also where the library answers", async () => {
    const direct = { read: () => undefined, answer: () => Promise.reject(new Error("never asked")) };
    const session = await dialTo({ direct: { getBitfield: direct } });
    expect((await call(session)).headers["access-control-allow-origin"]).toBe("*");
  });

  it("is dated when it is answered", async () => {
    const session = await dial(async () => answerOf("a"));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2030, 0, 1, 0, 0, 0) });
    onTestFinished(() => void vi.useRealTimers());
    expect((await call(session)).headers.date).toBe("Tue, 01 Jan 2030 00:00:00 GMT");
    vi.setSystemTime(Date.UTC(2030, 0, 1, 0, 0, 1));
    expect((await call(session)).headers.date).toBe("Tue, 01 Jan 2030 00:00:01 GMT");
  });
});

describe("a request over HTTP/2 that Node answers by itself", () => {
  it.each([
    ["CONNECT", { ":method": "CONNECT", ":authority": "localhost:1" }, 405],
    ["an unknown Expect", { ":path": "/page", expect: "wonders" }, 417],
  ])("%s: ends no server, and repeats no earlier request", async (_what, headers, status) => {
    const crashes: unknown[] = [];
    const noteCrash = (error: unknown) => void crashes.push(error);
    process.on("uncaughtException", noteCrash);
    onTestFinished(() => void process.off("uncaughtException", noteCrash));
    let pages = 0;
    const http: PlainHttp = (_request, response) => {
      pages++;
      response.end("page");
      return true;
    };
    const session = await dialTo({}, { http });
    expect(await statusOf(session, headers)).toBe(status);
    expect(await statusOf(session, { ":path": "/page" })).toBe(200);
    expect(await statusOf(session, headers)).toBe(status);
    expect(pages).toBe(1);
    expect(await statusOf(session, { ":path": "/page" })).toBe(200);
    expect(pages).toBe(2);
    expect(crashes).toEqual([]);
  });
});

async function statusOf(session: ClientHttp2Session, headers: OutgoingHttpHeaders): Promise<unknown> {
  const stream = session.request(headers).on("error", () => {});
  const [answer] = (await within(HANG_MS, "the answer", once(stream, "response"))) as [IncomingHttpHeaders];
  stream.close();
  return answer[":status"];
}
