import net from "node:net";
import { createClient } from "@connectrpc/connect";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import type { Limits } from "../../../../server/http/base/limits.ts";
import { openTransport, type TransportKind } from "../../../../server/http/client/transports.ts";
import { within } from "../../../support/deadline.ts";
import { pieceBytes, startTestPeer } from "../../../support/swarms/test-peer.ts";
import { dialHttp2 } from "../../../support/wire/raw-http2.ts";

const HANG_MS = 8_000;
/** Longer than the test: whoever waits for it fails. */
const LONG_GRACE = { graceMs: 60_000 };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function dial(url: string, kind: TransportKind) {
  const { transport, close } = openTransport(url, kind);
  ends.push(close);
  return { peer: createClient(PeerService, transport), health: createClient(Health, transport) };
}

/** A peer whose pieces wait until they are let go. */
async function start(limits?: Partial<Limits>) {
  const asked = Promise.withResolvers<void>();
  const let_ = Promise.withResolvers<void>();
  const server = await startTestPeer(
    {
      async getPiece(number, { signal }) {
        asked.resolve();
        await Promise.race([
          let_.promise,
          new Promise((resolve) => signal.addEventListener("abort", resolve)),
        ]);
        signal.throwIfAborted();
        return pieceBytes(number);
      },
    },
    { limits },
  );
  ends.push(() => server.close({ graceMs: 0 }));
  return { server, asked: asked.promise, letGo: () => let_.resolve() };
}

describe("a server that closes", () => {
  it.each(["grpc", "grpc-web", "connect"] as const)(
    "lets a piece finish over %s, then is gone",
    async (kind) => {
      const { server, asked, letGo } = await start();
      const { peer } = dial(server.url, kind);
      const piece = peer.getPiece({ number: 1 });
      await asked;
      const closed = server.close(LONG_GRACE);
      letGo();
      expect((await piece).data.length).toBe(1 << 16);
      await within(HANG_MS, "the server closes", closed);
      await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    },
  );

  it("tells what is left after the grace period that it goes down", async () => {
    const { server, asked } = await start();
    const { peer } = dial(server.url, "grpc");
    const piece = expect(peer.getPiece({ number: 1 })).rejects.toThrow("this server is going down");
    await asked;
    await within(HANG_MS, "the server closes", server.close({ graceMs: 100 }));
    await piece;
  });

  it("does not wait for watches", async () => {
    const { server } = await start();
    const { health } = dial(server.url, "grpc");
    const seen: Status[] = [];
    const watch = (async () => {
      for await (const { status } of health.watch({})) seen.push(status);
    })().catch(() => {});
    await expect.poll(() => seen).toEqual([Status.SERVING]);
    await within(HANG_MS, "the server closes", server.close(LONG_GRACE));
    await within(HANG_MS, "the watch ends", watch);
  });

  it("does not wait for connections on which nothing happens", async () => {
    const { server } = await start();
    for (const kind of ["grpc", "connect"] as const) await dial(server.url, kind).peer.getBitfield({});
    const raw = await dialHttp2(server.port);
    ends.push(() => raw.destroy());
    await within(HANG_MS, "the server closes", server.close(LONG_GRACE));
  });

  it("closes once however often it is asked", async () => {
    const { server } = await start();
    await Promise.all([server.close(), server.close(LONG_GRACE)]);
    await server.close();
  });
});

describe("health", () => {
  it("follows what the service says, for checks, watches and /healthz", async () => {
    const { server } = await start();
    const { health } = dial(server.url, "grpc");
    const seen: Status[] = [];
    const abort = new AbortController();
    const watch = (async () => {
      for await (const { status } of health.watch({}, { signal: abort.signal })) seen.push(status);
    })().catch(() => {});
    await expect.poll(() => seen.length).toBe(1);
    server.setHealth(false);
    await expect.poll(() => seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
    expect((await health.check({ service: "pieza.v1.PeerService" })).status).toBe(Status.NOT_SERVING);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(503);
    await expect(health.check({ service: "no.Such" })).rejects.toThrow("no such service here");
    abort.abort();
    await watch;
  });
});

describe("a port that is taken", () => {
  it("fails the start and leaves nothing behind", async () => {
    const { server } = await start();
    await expect(startTestPeer({}, { port: server.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});

it("a caller that hangs up in the middle of its request, after the answer, leaves no timer behind", async () => {
  const begun = vi.spyOn(globalThis, "setInterval");
  const ended = vi.spyOn(globalThis, "clearInterval");
  onTestFinished(() => void vi.restoreAllMocks());
  const bodyGraceMs = 4_321;
  const { server } = await start({ bodyGraceMs });
  const socket = net.connect(Number(new URL(server.url).port), "127.0.0.1");
  const answered = new Promise((resolve) => socket.once("data", resolve));
  const head =
    "POST /pieza.v1.PeerService/GetPiece HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
  socket.write(`${head}\r\ncontent-length: 10000000\r\n\r\n${" ".repeat(1 << 17)}`);
  expect(String(await within(HANG_MS, "an answer", answered))).toContain("HTTP/1.1 429");
  const at = begun.mock.calls.findIndex(([, everyMs]) => everyMs === bodyGraceMs / 10);
  const timer = begun.mock.results[at]?.value;
  expect(timer, "its pace is watched").toBeDefined();
  const isEnded = () => ended.mock.calls.some(([what]) => what === timer);
  expect(isEnded()).toBe(false);
  socket.destroy();
  await expect.poll(isEnded, { timeout: HANG_MS }).toBe(true);
});
