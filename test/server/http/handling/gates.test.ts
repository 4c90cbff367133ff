import { readFile } from "node:fs/promises";
import { create, type DescMethodStreaming, type DescMethodUnary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocatePiecesResponseSchema, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { directMethod } from "../../../../server/http/direct/direct.ts";
import type { MethodPolicy } from "../../../../server/http/guards/policy.ts";
import { tokenAuthority } from "../../../../server/http/guards/token.ts";
import { UploadBudget } from "../../../../server/http/guards/upload-budget.ts";
import { served } from "../../../../server/http/handling/served-service.ts";
import { startServer } from "../../../../server/http/listening/server.ts";
import { TestAuthority } from "../../../support/wire/certificates.ts";
import { type RawAnswer, RawClient, type RawRequest } from "../../../support/wire/raw-call.ts";
import { framed } from "../../../support/wire/wire-formats.ts";

/** Every gate refuses a call, whatever its front end, its format and the way in which it would be answered. */
const TOKEN = "the-token-of-this-test";
const MAX_BYTES = 1 << 10;
const { locatePieces, announce, watchSwarm } = TrackerService.method;

const frontEnds = [
  { frontEnd: "HTTP/1.1 in one piece", version: 1, tls: false, headers: {} },
  { frontEnd: "HTTP/1.1 by Node", version: 1, tls: false, headers: { te: "trailers" } },
  { frontEnd: "HTTP/2", version: 2, tls: false, headers: {} },
  { frontEnd: "HTTP/1.1 over TLS", version: 1, tls: true, headers: {} },
  { frontEnd: "HTTP/2 over TLS", version: 2, tls: true, headers: {} },
] as const;

const formats = ["json", "proto", "grpc-web", "grpc"] as const;
type Format = (typeof formats)[number];

const kinds: Record<string, DescMethodUnary | DescMethodStreaming> = {
  "a direct answer": locatePieces,
  "an answer of the library": announce,
  "a stream of answers": watchSwarm,
};

/** A gate, how a call comes to be refused there, and what its caller is told: a code, or a status of HTTP. */
interface GateCase {
  readonly change?: Partial<RawRequest>;
  /** The name that the caller asks for. */
  readonly host?: string;
  readonly limits?: { readonly changesBurst: number; readonly changesPerSecond: number };
  readonly full?: boolean;
  readonly code: string | number;
}

const gates: Record<string, GateCase> = {
  "host name": { host: "evil.test", code: 421 },
  origin: { change: { headers: { origin: "http://evil.test" } }, code: 403 },
  size: { change: { body: new Uint8Array(MAX_BYTES + 6) }, code: "resource_exhausted" },
  rate: { limits: { changesBurst: 0, changesPerSecond: 0.001 }, code: "resource_exhausted" },
  authority: { change: { headers: { authorization: "Bearer another" } }, code: "permission_denied" },
  pace: { full: true, code: "resource_exhausted" },
};
/** Unknown to the gates that ask for a method; plain HTTP routes only read. */
const plainGates = { "host name": 421, size: 413 } as const;

let ran = 0;
let cases = 0;
const ends: (() => unknown)[] = [];
let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.make();
  ends.push(() => authority.remove());
});
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start({ limits, full }: GateCase, tls: boolean): Promise<string> {
  const room = new UploadBudget(MAX_BYTES);
  if (full) room.take("192.0.2.1", MAX_BYTES);
  const requestBytes = MAX_BYTES;
  const policy: MethodPolicy = { requestBytes, changes: true, authority: tokenAuthority(TOKEN), room };
  const count = () => {
    ran++;
    return {};
  };
  const bytes = toBinary(LocatePiecesResponseSchema, create(LocatePiecesResponseSchema, {}));
  const server = await startServer({
    port: 0,
    ...(tls && (await authority.issue())),
    ...(limits && { limits }),
    services: [
      served(
        TrackerService,
        {
          locatePieces: count,
          announce: count,
          async *watchSwarm() {
            yield count();
          },
        },
        {
          policies: { locatePieces: policy, announce: policy, watchSwarm: policy },
          direct: {
            locatePieces: directMethod(locatePieces, async () => {
              ran++;
              return { parts: [bytes], headers: {} };
            }),
          },
        },
      ),
    ],
    http(_request, response) {
      ran++;
      response.end("plain");
      return true;
    },
  });
  ends.push(() => server.close({ graceMs: 0 }));
  return server.url;
}

function isStream(method: DescMethodUnary | DescMethodStreaming): boolean {
  return method.methodKind !== "unary";
}

function contentType(format: Format, stream: boolean): string {
  if (format === "grpc-web" || format === "grpc") return `application/${format}+proto`;
  return stream ? `application/connect+${format}` : `application/${format}`;
}

function callOf(format: Format, method: DescMethodUnary | DescMethodStreaming): Required<RawRequest> {
  const stream = isStream(method);
  // In protobuf a field that the method does not know: a message of some bytes.
  const message = format === "json" ? Buffer.from("{}") : Buffer.from([0xf8, 0x07, 0x01]);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    method: "POST",
    headers: {
      "content-type": contentType(format, stream),
      authorization: `Bearer ${TOKEN}`,
      ...(format === "grpc" && { te: "trailers" }),
    },
    body: stream || format.startsWith("grpc") ? framed(message) : message,
  };
}

const grpcStatuses: Readonly<Record<string, string>> = {
  "7": "permission_denied",
  "8": "resource_exhausted",
};

/** The code that an answer tells, its HTTP status if it tells none, or undefined for a success. */
function codeOf(format: Format, stream: boolean, answer: RawAnswer): string | number | undefined {
  const { status, body, trailers } = answer;
  if (answer.headers["content-type"]?.startsWith("text/plain")) return status;
  if (format === "grpc") return grpcStatuses[trailers["grpc-status"]!];
  if (format === "grpc-web") {
    return grpcStatuses[/grpc-status: ?(\d+)/.exec(body.toString("latin1"))![1]!];
  }
  if (stream) return errorAtTheEnd(body);
  return status === 200 ? undefined : (JSON.parse(body.toString()) as { code: string }).code;
}

/** The error in the last frame of a Connect stream. */
function errorAtTheEnd(body: Buffer): string | undefined {
  let at = 0;
  while (body[at] !== 2) at += 5 + body.readUInt32BE(at + 1);
  return (JSON.parse(body.toString("utf8", at + 5)) as { error?: { code: string } }).error?.code;
}

describe.each(frontEnds)("over $frontEnd", ({ version, tls, headers }) => {
  let ca: Buffer;
  beforeAll(async () => {
    ca = await readFile(authority.ca);
  });

  async function call(
    url: string,
    asked: Required<RawRequest>,
    { change, host }: GateCase,
  ): Promise<RawAnswer> {
    const client = new RawClient(url, version, { ca, servername: "localhost" });
    const name = host && (version === 1 ? { host } : { ":authority": host });
    const body = change?.body ?? asked.body;
    const length = { "content-length": String(body.length) };
    const all = { ...headers, ...asked.headers, ...length, ...change?.headers, ...name };
    const answer = await client.call({ ...asked, body, headers: all });
    client.close();
    return answer;
  }

  const fitting = formats.filter((format) => format !== "grpc" || version === 2);
  describe.each(Object.entries(gates))("the gate of the %s", (_name, gate) => {
    let url = "";
    beforeAll(async () => {
      url = await start(gate, tls);
    });

    it.each(fitting.flatMap((format) => Object.keys(kinds).map((kind) => [format, kind] as const)))(
      "refuses in %s %s",
      async (format, kind) => {
        cases++;
        ran = 0;
        const method = kinds[kind]!;
        const answer = await call(url, callOf(format, method), gate);
        expect(codeOf(format, isStream(method), answer)).toBe(gate.code);
        expect(answer.headers["cache-control"]).toBe("no-store");
        expect(ran).toBe(0);
      },
    );
  });

  it.each(Object.entries(plainGates))("the gate of the %s refuses plain HTTP", async (name, status) => {
    cases++;
    ran = 0;
    const asked = { path: "/", method: "POST", headers: {}, body: new Uint8Array((64 << 10) + 6) };
    const answer = await call(
      await start({ code: 0 }, tls),
      asked,
      name === "size" ? { code: 0 } : gates[name]!,
    );
    expect([answer.status, ran]).toEqual([status, 0]);
  });

  it("a call that no gate refuses is answered", async () => {
    const url = await start({ code: 0 }, tls);
    for (const format of fitting) {
      for (const method of Object.values(kinds)) {
        ran = 0;
        const answer = await call(url, callOf(format, method), { code: 0 });
        expect([answer.status, codeOf(format, isStream(method), answer), ran]).toEqual([200, undefined, 1]);
      }
    }
  });
});

it("has refused every case there is", () => {
  // 6 gates and 3 kinds, in 3 formats over HTTP/1.1 (three front ends) and 4 over HTTP/2 (two); and plain HTTP.
  expect(cases).toBe(6 * 3 * (3 * 3 + 2 * 4) + 5 * 2);
});
