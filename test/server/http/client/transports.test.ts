import { execFile } from "node:child_process";
import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { openTransport, type TransportOptions } from "../../../../server/http/client/transports.ts";
import { startRawPeer, startTestPeer, write } from "../../../support/swarms/test-peer.ts";

const run = promisify(execFile);
const kinds = ["grpc", "grpc-web", "connect"] as const;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function dial(url: string, kind: (typeof kinds)[number], options?: TransportOptions) {
  const { transport, close } = openTransport(url, kind, options);
  ends.push(close);
  return createClient(PeerService, transport);
}

describe("a neighbour that says GOAWAY on idle connections", () => {
  it("costs some calls at most, never the process", async () => {
    const child = fileURLToPath(new URL("../../../support/wire/goaway-child.ts", import.meta.url));
    const { stdout } = await run(process.execPath, [child], { timeout: 25_000 });
    const { fine = 0, ...failed } = JSON.parse(stdout) as Record<string, number>;
    expect(fine).toBeGreaterThanOrEqual(100);
    expect(fine + (failed["PeerFailed unavailable"] ?? 0)).toBe(300);
    // Whatever failed is the peer's failure, and worth another try.
    expect(Object.keys(failed).filter((outcome) => outcome !== "PeerFailed unavailable")).toEqual([]);
  });
});

describe("the windows of HTTP/2", () => {
  it("are wide where we receive: 16 MiB a call, 32 MiB a connection", async () => {
    const neighbour = http2.createServer();
    neighbour.on("stream", (stream) => {
      stream.on("error", () => {});
      stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    });
    neighbour.listen(0, "127.0.0.1");
    await once(neighbour, "listening");
    ends.push(() => neighbour.close());
    const session = once(neighbour, "session");
    const peer = dial(`http://127.0.0.1:${(neighbour.address() as AddressInfo).port}`, "grpc");
    await expect(peer.getPiece({})).rejects.toThrow();
    const [{ remoteSettings, state }] = (await session) as [http2.ServerHttp2Session];
    expect(remoteSettings.initialWindowSize).toBe(16 << 20);
    expect(state.remoteWindowSize).toBe(32 << 20);
  });

  it("are wider than the standard's where a server receives", async () => {
    const server = await startTestPeer();
    ends.push(() => server.close({ graceMs: 0 }));
    const session = http2.connect(server.url);
    await once(session, "remoteSettings");
    const stream = session.request({ ":path": "/healthz" });
    await once(stream.resume(), "close");
    expect(session.remoteSettings.initialWindowSize).toBe(1 << 20);
    expect(session.remoteSettings.maxConcurrentStreams).toBe(64);
    expect(session.state.remoteWindowSize).toBe(4 << 20);
    session.close();
  });
});

describe.each(kinds)("%s", (kind) => {
  it("gives up an answer that stops coming", async () => {
    const server = await startRawPeer((response) => write(response, new Uint8Array(100)), 1 << 20);
    ends.push(() => server.close({ graceMs: 0 }));
    const peer = dial(server.url, kind, { stallMs: 200 });
    await expect(peer.getPiece({})).rejects.toThrow("no byte for 200 ms");
  });

  it("gives up an answer that never begins", async () => {
    const server = await startTestPeer({ getPiece: () => new Promise(() => {}) });
    ends.push(() => server.close({ graceMs: 0 }));
    await expect(dial(server.url, kind, { stallMs: 200 }).getPiece({})).rejects.toThrow("no byte for 200 ms");
  });

  it("does not give up an answer that is slow but comes", async () => {
    const body = Buffer.from("0a03010203", "hex");
    const server = await startRawPeer((response) => {
      let sent = 0;
      const drip = setInterval(() => {
        write(response, body.subarray(sent, sent + 1));
        if (++sent < body.length) return;
        clearInterval(drip);
        // What the stock client wants after a message differs by protocol; that it came so far is what counts.
        response.end();
      }, 100);
    }, body.length);
    ends.push(() => server.close({ graceMs: 0 }));
    const call = dial(server.url, kind, { stallMs: 300 }).getPiece({});
    if (kind === "connect") expect((await call).data).toEqual(Uint8Array.of(1, 2, 3));
    else await expect(call).rejects.toThrow(/trailer|status/);
  });

  it("sends the token, and none where it has none", async () => {
    const seen: unknown[] = [];
    const server = await startTestPeer({
      getPiece(_number, { requestHeader }) {
        seen.push(requestHeader.get("authorization"));
        return new Uint8Array(0);
      },
    });
    ends.push(() => server.close({ graceMs: 0 }));
    await dial(server.url, kind, { token: "s3cret" }).getPiece({});
    await dial(server.url, kind).getPiece({});
    expect(seen).toEqual(["Bearer s3cret", null]);
  });
});
