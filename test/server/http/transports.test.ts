import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { kBearerToken } from "../../../server/http/context.ts";
import { openTransport, type TransportOptions } from "../../../server/http/transports.ts";
import { startRawPeer, startTestPeer, write } from "../../support/test-peer.ts";

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
    const child = fileURLToPath(new URL("../../support/goaway-child.ts", import.meta.url));
    const { stdout } = await run(process.execPath, [child], { timeout: 25_000 });
    const { fine = 0, ...failed } = JSON.parse(stdout) as Record<string, number>;
    expect(fine).toBeGreaterThanOrEqual(100);
    expect(fine + (failed["PeerFailed unavailable"] ?? 0)).toBe(300);
    // Whatever failed is the peer's failure, and worth another try.
    expect(Object.keys(failed).filter((outcome) => outcome !== "PeerFailed unavailable")).toEqual([]);
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
      getPiece(_number, { values }) {
        seen.push(values.get(kBearerToken));
        return new Uint8Array(0);
      },
    });
    ends.push(() => server.close({ graceMs: 0 }));
    await dial(server.url, kind, { token: "s3cret" }).getPiece({});
    await dial(server.url, kind).getPiece({});
    expect(seen).toEqual(["s3cret", undefined]);
  });
});
