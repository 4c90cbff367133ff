import { createServer, type IncomingMessage, type Server } from "node:http";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FastHead, fastRequest } from "../../../../server/http/direct/fast-request.ts";
import { sendRaw } from "../../../support/wire/raw-http1.ts";

const LINES = [
  "POST /a.B/C HTTP/1.1",
  "Host: localhost:1",
  "Content-Type: application/proto",
  "Content-Length: 3",
];
const BODY = "abc";

const bytesOf = (lines: readonly string[], body = BODY) =>
  Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body}`, "latin1");
const plain = bytesOf(LINES);
/** The plain request with more headers. */
const withLines = (...lines: string[]) => bytesOf([...LINES, ...lines]);

describe("a fast request", () => {
  it("is a whole POST in the form that programs write", () => {
    const request = fastRequest(plain, undefined)!;
    expect(request.head).toMatchObject({ path: "/a.B/C", isLast: false, bodyBytes: 3 });
    expect(request.head.headers).toEqual({
      host: "localhost:1",
      "content-type": "application/proto",
      "content-length": "3",
    });
    expect(request.body.toString()).toBe(BODY);
  });

  it("says when it is the connection's last", () => {
    expect(fastRequest(withLines("Connection: Close"), undefined)!.head.isLast).toBe(true);
    expect(fastRequest(withLines("Connection: keep-alive"), undefined)!.head.isLast).toBe(false);
  });

  it("has the head of the one before if it says the same, and its own body", () => {
    const { head } = fastRequest(plain, undefined)!;
    const again = fastRequest(bytesOf(LINES, "xyz"), head)!;
    expect(again.head).toBe(head);
    expect(again.body.toString()).toBe("xyz");
    expect(fastRequest(withLines("A: b"), head)!.head.headers.a).toBe("b");
    expect(fastRequest(bytesOf(LINES, "four"), head)).toBeUndefined();
  });

  it.each<[string, Buffer]>([
    ["a part of a head", plain.subarray(0, 40)],
    ["a head without its body", bytesOf(LINES, "")],
    ["a part of a body", bytesOf(LINES, "ab")],
    ["more than one request", Buffer.concat([plain, plain])],
    ["another method", bytesOf(["GET /a.B/C HTTP/1.1", ...LINES.slice(1)])],
    ["another version", bytesOf(["POST /a.B/C HTTP/1.0", ...LINES.slice(1)])],
    ["a query", bytesOf(["POST /a.B/C?x HTTP/1.1", ...LINES.slice(1)])],
    ["a whole URL", bytesOf(["POST http://localhost/a.B/C HTTP/1.1", ...LINES.slice(1)])],
    ["no host", bytesOf(LINES.filter((line) => !line.startsWith("Host")))],
    ["two hosts", withLines("host: other")],
    ["no length", bytesOf(LINES.filter((line) => !line.startsWith("Content-Length")))],
    ["two lengths", withLines("content-length: 3")],
    ["a length that is no number", bytesOf([...LINES.slice(0, 3), "Content-Length: +3"])],
    ["a length in hexadecimal", bytesOf([...LINES.slice(0, 3), "Content-Length: 0x3"])],
    ["chunks", withLines("Transfer-Encoding: chunked")],
    ["an expectation", withLines("Expect: 100-continue")],
    ["an upgrade", withLines("Connection: Upgrade", "Upgrade: h2c")],
    ["a connection that says more", withLines("Connection: keep-alive, x")],
    ["a folded line", withLines("A: b", " c")],
    ["a space in front of a colon", withLines("A : b")],
    ["a line without a colon", withLines("A")],
    ["a nameless line", withLines(": b")],
    ["a control character", withLines("A: b\x00c")],
    ["a bare carriage return", withLines("A: b\rc")],
    ["a bare line feed", withLines("A: b\nContent-Length: 4")],
    ["a tab", withLines("A: b\tc")],
    ["a tab behind a value", withLines("Connection: close\t")],
    ["a byte above ASCII", withLines("A: \xe9")],
    ["an object's parent as a name", withLines("__proto__: b")],
    ["an empty line in front", Buffer.concat([Buffer.from("\r\n"), plain])],
    ["a head over 4 KiB", withLines(`A: ${"b".repeat(4_096)}`)],
  ])("is not %s", (_, bytes) => {
    expect(fastRequest(bytes, undefined)).toBeUndefined();
    expect(fastRequest(bytes, fastRequest(plain, undefined)!.head)).toBeUndefined();
  });
});

it("takes no longer to refuse a line of many blanks than any other", { timeout: 20_000 }, () => {
  const blanks = withLines(`A:${" ".repeat(3_900)}\xe9`);
  // With a pattern that goes back over blanks, half a minute.
  for (let n = 0; n < 3_000; n++) expect(fastRequest(blanks, undefined)).toBeUndefined();
});

describe("what a fast request means", () => {
  let server: Server;
  const seen: { request: IncomingMessage; body: string }[] = [];
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      seen.push({ request, body: (await buffer(request)).toString("latin1") });
      response.setHeader("connection", "close").end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(() => void server.close());

  const good = ["Connection: close", "connection:  keep-alive  ", "X-A: 1 2", "x-b:", "A: ", "Accept: */*"];
  good.push("grpc-timeout: 1S", "constructor: x", "Cookie: a; b", "A!#$%&'*+.^_`|~: ~");
  const bad = [
    "Connection:",
    "connection: CLOSE\t",
    "Content-Length: 03",
    "content-length:3 ",
    "Host:",
    "Host: a b",
  ];
  bad.push(
    "Transfer-Encoding: identity",
    "A: b\x7f",
    " d",
    "Keep-Alive: 5",
    "POST /x HTTP/1.1",
    "a :b",
    "Te: x",
  );

  /** Pieces of requests, well-formed and not, put together in many ways; now and then one byte is another. */
  const arbitraryBytes = fc
    .record({
      lines: fc.oneof(
        { weight: 3, arbitrary: fc.shuffledSubarray([...LINES.slice(1), ...good], { minLength: 8 }) },
        { weight: 1, arbitrary: fc.shuffledSubarray([...LINES.slice(1), ...good, ...bad]) },
      ),
      body: fc.oneof(
        { weight: 5, arbitrary: fc.constant(BODY) },
        { weight: 1, arbitrary: fc.constantFrom("", "ab", "abcd", `${BODY}POST / HTTP/1.1\r\n\r\n`) },
      ),
      change: fc.option(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { freq: 1 }),
    })
    .map(({ lines, body, change }) => {
      const bytes = bytesOf([LINES[0]!, ...lines], body);
      if (change) bytes[change.at % bytes.length] = change.byte;
      return bytes;
    });

  it("is what Node reads in it, and nothing is left over", async () => {
    let fast = 0;
    let before: FastHead | undefined;
    await fc.assert(
      fc.asyncProperty(arbitraryBytes, async (bytes) => {
        const request = fastRequest(bytes, before);
        if (!request) return;
        fast++;
        before = request.head;
        seen.length = 0;
        const answer = await sendRaw(server, bytes);
        expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
        expect(answer.split("HTTP/1.1")).toHaveLength(2);
        const [{ request: read, body }] = seen as [(typeof seen)[number]];
        expect(seen).toHaveLength(1);
        expect(read.method).toBe("POST");
        expect(read.url).toBe(request.head.path);
        expect({ ...read.headers }).toEqual({ ...request.head.headers });
        expect(body).toBe(request.body.toString("latin1"));
      }),
      { numRuns: 3_000 },
    );
    expect(fast).toBeGreaterThan(300);
  });
});
