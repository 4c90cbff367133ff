import diagnostics from "node:diagnostics_channel";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { PiezaError } from "#core/base/errors.ts";
import {
  GetBitfieldRequestSchema,
  GetBitfieldResponseSchema,
  GetPieceRequestSchema,
} from "#gen/pieza/v1/peer_pb.ts";
import type { Limits } from "../../../../server/http/base/limits.ts";
import type { DirectMethod } from "../../../../server/http/direct/direct.ts";
import type { RunningServer } from "../../../../server/http/listening/server.ts";
import { within } from "../../../support/deadline.ts";
import { startTestPeer, swarm } from "../../../support/swarms/test-peer.ts";

const PATH = "/pieza.v1.PeerService/GetBitfield";
const HANG_MS = 8_000;
const ANSWER = toBinary(GetBitfieldResponseSchema, create(GetBitfieldResponseSchema, { totalPieces: 4 }));
const QUESTION = toBinary(GetBitfieldRequestSchema, create(GetBitfieldRequestSchema, swarm));

const PIECE = toBinary(GetPieceRequestSchema, create(GetPieceRequestSchema, { ...swarm, number: 1 }));

/** Requests that Node made, in all servers of this process. */
let byNode = 0;
const count = () => void byNode++;
beforeEach(() => {
  byNode = 0;
  diagnostics.subscribe("http.server.request.start", count);
});
afterEach(() => void diagnostics.unsubscribe("http.server.request.start", count));

type Answering = DirectMethod<Uint8Array>["answer"];

/** Takes every message as it is. */
const directly = (answer: Answering): DirectMethod =>
  ({ read: (message) => message, answer }) as DirectMethod;

/** A server that answers GetBitfield with these bytes on the fast path, unless `method` does something else. */
async function start(answer: Answering = async () => answerOf(ANSWER), limits?: Partial<Limits>) {
  const server = await startTestPeer({}, { limits }, { direct: { getBitfield: directly(answer) } });
  onTestFinished(() => server.close({ graceMs: 0 }));
  return server;
}

const answerOf = (...parts: Uint8Array[]) => ({ parts, headers: { "cache-control": "no-store" } });

function request(lines: readonly string[] = [], body: Uint8Array = QUESTION, path = PATH): Buffer {
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    "Content-Type: application/proto",
    `Content-Length: ${body.length}`,
    ...lines,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), body]);
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A connection that reads answers of known length. */
class Caller {
  readonly socket: net.Socket;
  #seen: Buffer = Buffer.alloc(0);

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      this.#seen = Buffer.concat([this.#seen, bytes]);
    });
  }

  static async dial({ port }: RunningServer): Promise<Caller> {
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    onTestFinished(() => void socket.destroy());
    return new Caller(socket);
  }

  async ask(bytes: Uint8Array): Promise<Answer> {
    this.socket.write(bytes);
    return this.answer();
  }

  answer(): Promise<Answer> {
    return within(HANG_MS, "an answer", this.#answer());
  }

  async isClosed(): Promise<void> {
    if (!this.socket.readableEnded && !this.socket.destroyed)
      await within(
        HANG_MS,
        "the server closes",
        Promise.race([once(this.socket, "end"), once(this.socket, "close")]),
      );
  }

  async #answer(): Promise<Answer> {
    for (;;) {
      const end = this.#seen.indexOf("\r\n\r\n");
      const [first, ...lines] = this.#seen.toString("latin1", 0, Math.max(0, end)).split("\r\n");
      const headers = Object.fromEntries(
        lines.map((line) => [
          line.slice(0, line.indexOf(":")).toLowerCase(),
          line.slice(line.indexOf(":") + 2),
        ]),
      );
      const length = Number(headers["content-length"] ?? 0);
      if (end >= 0 && this.#seen.length >= end + 4 + length) {
        const body = this.#seen.subarray(end + 4, end + 4 + length);
        this.#seen = this.#seen.subarray(end + 4 + length);
        return { status: Number(first!.split(" ")[1]), headers, body };
      }
      await once(this.socket, "data");
    }
  }
}

describe("short calls over HTTP/1.1", () => {
  it("are answered one after the other without a request of Node's", async () => {
    const caller = await Caller.dial(await start());
    for (let n = 0; n < 5; n++) {
      const { status, headers, body } = await caller.ask(request());
      expect(status).toBe(200);
      expect(body).toEqual(Buffer.from(ANSWER));
      expect(headers).toMatchObject({
        "content-type": "application/proto",
        "cache-control": "no-store",
        "access-control-allow-origin": "*",
        connection: "keep-alive",
        "keep-alive": "timeout=30",
        date: expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/),
      });
    }
    expect(byNode).toBe(0);
  });

  it("say what Node's answers say", async () => {
    const fast = await (await Caller.dial(await start())).ask(request(["Origin: http://elsewhere"]));
    expect(byNode).toBe(0);
    const slow = await (await Caller.dial(await start())).ask(request(["Origin: http://elsewhere", "TE: x"]));
    expect(byNode).toBe(1);
    const { date: _, ...headers } = slow.headers;
    expect(fast).toMatchObject({ ...slow, headers });
    expect(Object.keys(fast.headers).sort()).toEqual(Object.keys(slow.headers).sort());
  });

  it.each([1 << 10, 1 << 14, 3 << 20])("bring %i bytes in three parts", async (length) => {
    const parts = [1, 2, 3].map((n) => Buffer.alloc(length, n));
    const server = await start(async () => answerOf(...parts));
    const caller = await Caller.dial(server);
    for (let n = 0; n < 3; n++)
      expect((await caller.ask(request())).body.equals(Buffer.concat(parts))).toBe(true);
    expect(byNode).toBe(0);
  });

  it("give back what they took when the answer has left, or its caller has", async () => {
    const done: string[] = [];
    const large = Buffer.alloc(16 << 20);
    const server = await start(async (message) => ({
      ...answerOf(message.length === 1 ? large : ANSWER),
      done: () => void done.push(message.length === 1 ? "large" : "small"),
    }));
    const caller = await Caller.dial(server);
    await caller.ask(request());
    expect(done).toEqual(["small"]);
    caller.socket.pause();
    caller.socket.write(request([], new Uint8Array(1)));
    await sleep(100);
    expect(done).toEqual(["small"]);
    caller.socket.destroy();
    await expect.poll(() => done).toEqual(["small", "large"]);
    expect(byNode).toBe(0);
  });

  it("end the connection where the caller says so", async () => {
    const caller = await Caller.dial(await start());
    expect((await caller.ask(request(["Connection: close"]))).headers.connection).toBe("close");
    await caller.isClosed();
    expect(byNode).toBe(0);
  });

  it("end the connection after a long answer too, all of it", async () => {
    const long = Buffer.alloc(16 << 20, 7);
    const caller = await Caller.dial(await start(async () => answerOf(long)));
    caller.socket.pause();
    caller.socket.write(request(["Connection: close"]));
    await sleep(200);
    // What comes after it is not for anybody.
    caller.socket.write(request());
    caller.socket.resume();
    expect((await caller.answer()).body.equals(long)).toBe(true);
    await caller.isClosed();
    expect(byNode).toBe(0);
  });

  it("are answered to a caller that says no more", async () => {
    const letGo = Promise.withResolvers<void>();
    const server = await start(async () => {
      await letGo.promise;
      return answerOf(ANSWER);
    });
    const caller = await Caller.dial(server);
    caller.socket.end(request());
    await sleep(50);
    letGo.resolve();
    expect((await caller.answer()).status).toBe(200);
    await caller.isClosed();
  });
});

describe("what is no short call", () => {
  const cases: readonly (readonly [what: string, bytes: Buffer[], status: number[]])[] = [
    ["in two parts", [request().subarray(0, 60), request().subarray(60)], [200]],
    ["two at once", [Buffer.concat([request(), request()])], [200, 200]],
    [
      "one and a half at once",
      [
        Buffer.concat([request(), request()]).subarray(0, 250),
        Buffer.concat([request(), request()]).subarray(250),
      ],
      [200, 200],
    ],
    ["a call of another method", [request([], PIECE, "/pieza.v1.PeerService/GetPiece")], [200]],
    ["an unknown path", [request([], new Uint8Array(), "/x")], [404]],
    ["a question that is compressed", [request(["Content-Encoding: gzip"])], [400]],
    ["a text", [Buffer.from(request([], Buffer.from("{}")).toString().replace("/proto", "/json"))], [200]],
  ];

  it.each(cases)("%s: is answered by Node, after short calls and before them", async (_, parts, statuses) => {
    const server = await start();
    const caller = await Caller.dial(server);
    expect((await caller.ask(request())).status).toBe(200);
    expect(byNode).toBe(0);
    for (const part of parts) {
      caller.socket.write(part);
      await sleep(20);
    }
    for (const status of statuses) expect((await caller.answer()).status).toBe(status);
    expect(byNode).toBe(statuses.length);
    expect((await caller.ask(request())).body).toEqual(Buffer.from(ANSWER));
    expect(byNode).toBe(statuses.length + 1);
  });

  it("is not a call to another host: refused without Node", async () => {
    const caller = await Caller.dial(await start());
    const other = Buffer.from(request().toString("latin1").replace("localhost", "evil.test"), "latin1");
    expect((await caller.ask(other)).status).toBe(421);
    expect((await caller.ask(request())).status).toBe(200);
    expect(byNode).toBe(0);
  });

  it("is what Node refuses, which ends the connection", async () => {
    const caller = await Caller.dial(await start());
    await caller.ask(request());
    const smuggled =
      "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length : 30\r\n\r\nabc";
    expect((await caller.ask(Buffer.from(smuggled))).status).toBe(400);
    await caller.isClosed();
  });

  it("comes while a short call is being answered, and is answered after it", async () => {
    const letGo = Promise.withResolvers<void>();
    const server = await start(async () => {
      await letGo.promise;
      return answerOf(ANSWER);
    });
    const caller = await Caller.dial(server);
    caller.socket.write(request());
    await sleep(30);
    caller.socket.write(request([], new Uint8Array(), "/x"));
    caller.socket.write(request());
    await sleep(30);
    letGo.resolve();
    expect((await caller.answer()).status).toBe(200);
    expect((await caller.answer()).status).toBe(404);
    expect((await caller.answer()).status).toBe(200);
    expect(byNode).toBe(2);
  });

  it("is a call whose answer fails on its way out: what it took is given back, once", async () => {
    let done = 0;
    const headers = { "x-name": "\u00e9" };
    const server = await start(async () => ({ parts: [ANSWER], headers, done: () => void done++ }));
    const caller = await Caller.dial(server);
    expect((await caller.ask(request())).status).toBe(500);
    expect(done).toBe(1);
    expect(byNode).toBe(0);
  });

  it("is a call that changes something, from a page that may not: refused, and not made", async () => {
    const path = "/pieza.v1.PeerService/StorePiece";
    let calls = 0;
    const storePiece = directly(async () => {
      calls++;
      return answerOf(new Uint8Array());
    });
    const server = await startTestPeer({}, {}, { direct: { storePiece } });
    onTestFinished(() => server.close({ graceMs: 0 }));
    const from = (origin: string) => request([`Origin: ${origin}`], new Uint8Array(), path);
    expect((await (await Caller.dial(server)).ask(from("http://evil.test"))).status).toBe(403);
    expect([calls, byNode]).toEqual([0, 0]);
    expect((await (await Caller.dial(server)).ask(from("http://localhost"))).status).toBe(200);
    expect([calls, byNode]).toEqual([1, 0]);
  });

  it("has a type that every object has a property of", async () => {
    const server = await start();
    const caller = await Caller.dial(server);
    const odd = Buffer.from(
      request().toString("latin1").replace("application/proto", "constructor"),
      "latin1",
    );
    expect((await caller.ask(odd)).status).toBe(415);
  });

  it("is a message that the library has to read", async () => {
    const direct = { read: () => undefined, answer: () => Promise.reject(new Error("never asked")) };
    const server = await startTestPeer({}, {}, { direct: { getBitfield: direct } });
    onTestFinished(() => server.close({ graceMs: 0 }));
    expect((await (await Caller.dial(server)).ask(request())).status).toBe(200);
    expect(byNode).toBe(1);
  });

  it("is not a call that fails: told as ever, once, without Node", async () => {
    let calls = 0;
    const server = await start(async () => {
      if (++calls === 1) throw new PiezaError("not_found", "no such torrent");
      return answerOf(ANSWER);
    });
    const caller = await Caller.dial(server);
    const { status, body } = await caller.ask(request());
    expect(status).toBe(404);
    expect(JSON.parse(body.toString())).toMatchObject({ code: "not_found", message: "no such torrent" });
    expect((await caller.ask(request())).status).toBe(200);
    expect([calls, byNode]).toEqual([2, 0]);
  });
});

describe("a connection for short calls", () => {
  it("is closed when no call comes for long, but not while one is answered", async () => {
    const letGo = Promise.withResolvers<void>();
    const server = await start(
      async (message) => {
        if (message.length === 1) await letGo.promise;
        return answerOf(ANSWER);
      },
      { keepAliveMs: 300 },
    );
    const [idle, busy] = [await Caller.dial(server), await Caller.dial(server)];
    await idle.ask(request());
    busy.socket.write(request([], new Uint8Array(1)));
    await idle.isClosed();
    letGo.resolve();
    expect((await busy.answer()).status).toBe(200);
    await busy.isClosed();
  });

  it("is closed when its caller reads nothing for long", async () => {
    const server = await start(async () => answerOf(Buffer.alloc(16 << 20)), {
      keepAliveMs: 200,
      idleMs: 600,
    });
    const caller = await Caller.dial(server);
    caller.socket.pause();
    caller.socket.write(request());
    await sleep(2_000);
    caller.socket.resume();
    await caller.isClosed();
    expect(caller.socket.bytesRead).toBeLessThan(16 << 20);
  });

  it("is closed at once when the server closes, and after its answer while it waits for one", async () => {
    const [asked, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const server = await start(async (message) => {
      if (message.length === 1) {
        asked.resolve();
        await letGo.promise;
      }
      return answerOf(ANSWER);
    });
    const [idle, busy] = [await Caller.dial(server), await Caller.dial(server)];
    await idle.ask(request());
    busy.socket.write(request([], new Uint8Array(1)));
    await asked.promise;
    const closed = server.close({ graceMs: 60_000 });
    await idle.isClosed();
    letGo.resolve();
    expect((await busy.answer()).status).toBe(200);
    await within(HANG_MS, "the server closes", closed);
    expect(byNode).toBe(0);
  });
});
