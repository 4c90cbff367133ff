import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile, rename, writeFile } from "node:fs/promises";
import net from "node:net";
import tls from "node:tls";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { remoteCatalog, remotePeer, remoteTracker } from "#core/rpc/rpc.ts";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { nodeClock } from "../../../../server/base/node-clock.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { getText } from "../../../../server/cli/clients/http-get.ts";
import type { LogEvent } from "../../../../server/http/base/log.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import type { ServiceOptions } from "../../../../server/http/handling/served-service.ts";
import type { RunningServer, ServerOptions } from "../../../../server/http/listening/server.ts";
import { within } from "../../../support/deadline.ts";
import { pieza } from "../../../support/processes/pieza.ts";
import { readSources } from "../../../support/source-tree.ts";
import { geometry, startTestPeer, swarm } from "../../../support/swarms/test-peer.ts";
import { type CertificatePaths, TestAuthority } from "../../../support/wire/certificates.ts";

const run = promisify(execFile);
const GET_BITFIELD = "/pieza.v1.PeerService/GetBitfield";
const kinds = ["grpc", "grpc-web", "connect"] as const;
const never = new AbortController().signal;

let authority: TestAuthority;
let good: CertificatePaths;
beforeAll(async () => {
  authority = await TestAuthority.make();
  good = await authority.issue();
});
afterAll(() => authority.remove());

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(
  certificate: Partial<CertificatePaths>,
  options: Partial<ServerOptions> = {},
  peer: ServiceOptions<typeof PeerService> = {},
) {
  const server = await startTestPeer({}, { ...certificate, ...options }, peer);
  ends.push(() => server.close({ graceMs: 0 }));
  return server;
}

function dial(url: string, kind: (typeof kinds)[number], ca?: Buffer) {
  const { transport, close } = openTransport(url, kind, { ca });
  ends.push(close);
  return transport;
}

describe("one port with TLS", () => {
  it("says https", async () => {
    const server = await start(good);
    expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
  });

  it("does not wait longer for a first request than for the headers of any", async () => {
    const getBitfield = { read: () => undefined, answer: () => Promise.reject(new Error("never asked")) };
    const limits = { headersMs: 300, keepAliveMs: 60_000, idleMs: 60_000 };
    const server = await start(good, { limits }, { direct: { getBitfield } });
    const socket = tls.connect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    ends.push(() => socket.destroy());
    await once(socket, "secureConnect");
    await within(8_000, "the server hangs up", once(socket.resume(), "close"));
  });

  it.each(kinds)("speaks %s to who trusts the authority", async (kind) => {
    const server = await start(good);
    const transport = dial(server.url, kind, await readFile(authority.ca));
    const { data } = await createClient(PeerService, transport).getPiece({ number: 1 });
    expect(data.length).toBe(1 << 16);
  });

  it.each(["--http1.1", "--http2"])("answers curl %s", async (version) => {
    const server = await start(good);
    const args = ["-sS", "--max-time", "10", version, "--cacert", authority.ca, "-w", "\n%{http_version}"];
    const json = ["-H", "content-type: application/json", "-d", "{}", server.url + GET_BITFIELD];
    const [body, spoken] = (await run("curl", [...args, ...json])).stdout.split("\n");
    expect(JSON.parse(body!)).toMatchObject({ total_pieces: 4 });
    expect(spoken).toBe(version === "--http2" ? "2" : "1.1");
  });

  it("closes connections that never shake hands", async () => {
    const impatient = await start(good, { limits: { firstBytesMs: 100 } });
    const socket = net.connect(impatient.port, "127.0.0.1");
    await within(10_000, "the close", once(socket.resume(), "close"));
  });

  it("takes nothing older than TLS 1.2", async () => {
    const server = await start(good);
    const spoken = async (maxVersion: tls.SecureVersion) => {
      const old = { minVersion: "TLSv1", maxVersion, ciphers: "DEFAULT@SECLEVEL=0" } as const;
      const socket = tls.connect({ port: server.port, ca: await readFile(authority.ca), ...old });
      ends.push(() => socket.destroy());
      return once(socket, "secureConnect").then(
        () => socket.getProtocol(),
        (error: NodeJS.ErrnoException) => error.code,
      );
    };
    expect(await spoken("TLSv1.1")).toMatch(/ERR_SSL/);
    expect(await spoken("TLSv1.2")).toBe("TLSv1.2");
    expect(await spoken("TLSv1.3")).toBe("TLSv1.3");
  });

  it("does not start with a certificate alone, another one's key, or what is none", async () => {
    const other = await authority.issue();
    const { tlsCert, tlsKey } = good;
    for (const [pair, problem] of [
      [{ tlsCert }, /come together/],
      [{ tlsCert, tlsKey: other.tlsKey }, /the TLS key does not belong to the TLS certificate/],
      [{ tlsCert: tlsKey, tlsKey }, /no PEM file/],
    ] as const) {
      const starting = startTestPeer({}, pair);
      await expect(starting).rejects.toMatchObject({ code: "invalid_argument", message: problem });
    }
  });
});

describe("a certificate that is renewed while the server runs", () => {
  const serialOf = async (server: RunningServer) => {
    const socket = tls.connect({ port: server.port, ca: await readFile(authority.ca) });
    await once(socket, "secureConnect");
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };

  /** In one step, as renewing programs do: the server looks so often here that it would see half a copy. */
  const replace = async (path: string, by: Buffer | string) => {
    await writeFile(`${path}.new`, by);
    await rename(`${path}.new`, path);
  };

  it("is shown to new connections; files that do not fit leave the old one in place", async () => {
    const [live, next] = [await authority.issue(), await authority.issue()];
    const log: LogEvent[] = [];
    const server = await start(live, { certificateCheckMs: 10, log: (line) => log.push(line) });
    const logged = (event: string, times: number) =>
      expect.poll(() => log.filter((line) => line.event === event).length, { timeout: 10_000 }).toBe(times);
    const first = await serialOf(server);
    const peer = createClient(PeerService, dial(server.url, "grpc", await readFile(authority.ca)));
    await peer.getBitfield({});

    await replace(live.tlsCert, "half a certifica");
    await logged("certificate_unusable", 1);
    expect(await serialOf(server)).toBe(first);

    // The two files are never replaced at once: in between, they do not fit each other.
    await replace(live.tlsCert, await readFile(next.tlsCert));
    await logged("certificate_unusable", 2);
    expect(await serialOf(server)).toBe(first);
    expect(log.at(-1)?.message).toMatch(/goes on with the old certificate: the TLS key does not belong to/);

    await replace(live.tlsKey, await readFile(next.tlsKey));
    await logged("certificate_renewed", 1);
    const second = await serialOf(server);
    expect(second).not.toBe(first);
    expect((await peer.getBitfield({})).totalPieces, "on the connection of before").toBe(4);
    expect(log.filter((line) => line.event === "certificate_unusable")).toHaveLength(2);
  });
});

describe("a certificate that cannot be trusted", () => {
  const bad = {
    "has expired": { certificate: { days: -1 }, trusted: true, says: /has expired; its operator has to/ },
    "is for another name": {
      certificate: { names: "DNS:other.test" },
      trusted: true,
      says: /not for the name 127\.0\.0\.1; use the name/,
    },
    "signed itself": { certificate: { selfSigned: true }, trusted: false, says: /self-signed; .* --ca/ },
    "is from an unknown authority": {
      certificate: {},
      trusted: false,
      says: /authority .* not known here; .* --ca/,
    },
  };

  it.each(Object.entries(bad))(
    "as it %s is told in words, by every client",
    async (_why, { certificate, trusted, says }) => {
      const { url } = await start(await authority.issue(certificate));
      const ca = trusted ? await readFile(authority.ca) : undefined;
      for (const kind of kinds) {
        const transport = dial(url, kind, ca);
        const pieceLength = () => geometry.pieceLength;
        const peer = remotePeer({
          url,
          transportName: kind,
          transport,
          swarm,
          pieceLength,
          clock: nodeClock,
        });
        const piece = peer.getPiece(geometry.index(0), { write() {} }, never);
        await expect(piece).rejects.toMatchObject({ name: "PeerFailed", code: "unavailable", message: says });
        const entry = remoteCatalog({ url, transport, hasher: nodeHasher }).get({ name: "x" });
        await expect(entry).rejects.toMatchObject({ code: "unavailable", message: says });
        const table = remoteTracker({ url, transport }).locate(swarm, never);
        await expect(table).rejects.toMatchObject({ code: "unavailable", message: says });
      }
      const page = getText(url, { ca: trusted ? authority.ca : undefined, maxBytes: 1_000, signal: never });
      await expect(page).rejects.toMatchObject({ code: "unavailable", message: says });
    },
  );

  it("is told from a server that speaks no TLS at all", async () => {
    const { port } = await start({});
    for (const kind of kinds) {
      const peer = createClient(PeerService, dial(`https://127.0.0.1:${port}`, kind));
      await expect(peer.getBitfield({})).rejects.toThrow(/does not speak TLS there; .*http:/);
    }
  });

  it("is told apart from http typed at a port that speaks TLS", async () => {
    const { port } = await start(good);
    const url = `http://127.0.0.1:${port}`;
    const says = { grpc: /it speaks TLS there; use https/, "grpc-web": /HTTP 400/, connect: /use https/ };
    for (const kind of kinds) {
      const table = remoteTracker({ url, transport: dial(url, kind) }).locate(swarm, never);
      await expect(table).rejects.toMatchObject({ code: "unavailable", message: says[kind] });
    }
    const { stdout } = await run("curl", ["-sS", "--max-time", "10", "-w", "%{http_code}", `${url}/healthz`]);
    expect(stdout).toBe('{"code":"unavailable","message":"this port speaks TLS: use https"}\n400');
    const page = getText(url, { maxBytes: 1_000, signal: never });
    await expect(page).rejects.toThrow(/400 Bad Request; if the port is for TLS, use https:/);
    const listing = await pieza(["ls", "--catalog", url]);
    expect(listing).toMatchObject({ code: 7, stderr: expect.stringMatching(/speaks TLS there; use https/) });
  });

  it("is trusted by no line of ours", () => {
    for (const [path, source] of readSources("{core,server,web,scripts,test}/**/*.{ts,js,svelte}")) {
      if (path === "test/server/http/listening/tls.test.ts") continue;
      expect(source, path).not.toMatch(/rejectUnauthorized|NODE_TLS_REJECT|checkServerIdentity/);
    }
  });
});
