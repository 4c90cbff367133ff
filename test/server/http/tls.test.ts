import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import type { RunningServer } from "../../../server/http/server.ts";
import { openTransport } from "../../../server/http/transports.ts";
import { startTestPeer } from "../../support/test-peer.ts";

const run = promisify(execFile);
const GET_BITFIELD = "/pieza.v1.PeerService/GetBitfield";

let directory: string;
let tlsCert: string;
let tlsKey: string;
let server: RunningServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "pieza-tls-"));
  [tlsCert, tlsKey] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
  await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", "/CN=localhost", "-addext", names, "-keyout", tlsKey, "-out", tlsCert],
  ]);
  server = await startTestPeer({}, { tlsCert, tlsKey });
});
afterAll(async () => {
  await server.close({ graceMs: 0 });
  await rm(directory, { recursive: true });
});

describe("one port with TLS", () => {
  it("says https", () => expect(server.url).toBe(`https://127.0.0.1:${server.port}`));

  it.each(["grpc", "grpc-web", "connect"] as const)("speaks %s to who trusts the authority", async (kind) => {
    const { transport, close } = openTransport(server.url, kind, { ca: await readFile(tlsCert) });
    const peer = createClient(PeerService, transport);
    expect((await peer.getPiece({ number: 1 })).data.length).toBe(1 << 16);
    close();
  });

  it.each(["grpc", "connect"] as const)("is refused over %s by who does not", async (kind) => {
    const { transport, close } = openTransport(server.url, kind);
    await expect(createClient(PeerService, transport).getBitfield({})).rejects.toThrow(/self-signed/);
    close();
  });

  it.each(["--http1.1", "--http2"])("answers curl %s", async (version) => {
    const args = ["-sS", "--max-time", "10", version, "--cacert", tlsCert, "-w", "\n%{http_version}"];
    const json = ["-H", "content-type: application/json", "-d", "{}", server.url + GET_BITFIELD];
    const [body, spoken] = (await run("curl", [...args, ...json])).stdout.split("\n");
    expect(JSON.parse(body!)).toMatchObject({ total_pieces: 4 });
    expect(spoken).toBe(version === "--http2" ? "2" : "1.1");
  });

  it("closes connections that never shake hands", async () => {
    const impatient = await startTestPeer({}, { tlsCert, tlsKey, limits: { firstBytesMs: 100 } });
    const { default: net } = await import("node:net");
    const socket = net.connect(impatient.port, "127.0.0.1");
    await new Promise((resolve) => socket.once("close", resolve).resume());
    await impatient.close({ graceMs: 0 });
  });

  it("does not start with a certificate alone", async () => {
    await expect(startTestPeer({}, { tlsCert })).rejects.toMatchObject({ code: "invalid_argument" });
  });
});
