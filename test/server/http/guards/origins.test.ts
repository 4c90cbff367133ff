import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import { hostname } from "node:os";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { CatalogService } from "#gen/pieza/v1/catalog_pb.ts";
import { TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { tokenAuthority } from "../../../../server/http/guards/token.ts";
import { served } from "../../../../server/http/handling/served-service.ts";
import {
  type RunningServer,
  type ServerOptions,
  startServer,
} from "../../../../server/http/listening/server.ts";
import { trackerPolicies } from "../../../../server/tracker/service.ts";
import { TestAuthority } from "../../../support/wire/certificates.ts";
import { RawClient } from "../../../support/wire/raw-call.ts";

const ANNOUNCE = "/pieza.v1.TrackerService/Announce";
const SCRAPE = "/pieza.v1.TrackerService/Scrape";
const LOCATE = "/pieza.v1.TrackerService/LocatePieces";
const WITH_TOKEN = "/pieza.v1.CatalogService/DeleteTorrent";

const open: RunningServer[] = [];
let announced = 0;
afterEach(async () => {
  announced = 0;
  for (const server of open.splice(0)) await server.close({ graceMs: 0 });
});

async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({
    port: 0,
    services: [
      served(
        TrackerService,
        {
          announce() {
            announced++;
            return {};
          },
          scrape: () => ({}),
          locatePieces: () => ({}),
        },
        { policies: trackerPolicies },
      ),
      served(CatalogService, {}, { policies: { deleteTorrent: { authority: tokenAuthority("secret") } } }),
    ],
    http(_request, response) {
      response.end("plain");
      return true;
    },
    ...options,
  });
  open.push(server);
  return server;
}

/** fetch sets Host and Origin itself, so this is by hand. */
async function ask(server: RunningServer, path: string, headers: Record<string, string>, method = "POST") {
  const request = http.request(`http://127.0.0.1:${server.port}${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
  });
  request.end(method === "POST" ? "{}" : undefined);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

describe("host names on a loopback bind", () => {
  it.each([
    "localhost",
    "LOCALHOST:1",
    "127.0.0.1",
    "127.9.9.9:80",
    "[::1]:50",
    "localhost.",
    "[::ffff:127.0.0.1]",
  ])("%s is ours", async (host) => expect((await ask(await start(), SCRAPE, { host })).status).toBe(200));

  it.each([
    "evil.example",
    "localhost.evil.example",
    "10.0.0.1",
    "127.0.0.1.evil.example",
    "0.0.0.0",
    "[::2]",
  ])("%s gets 421, over the RPCs and over plain HTTP", async (host) => {
    const server = await start();
    expect((await ask(server, SCRAPE, { host })).status).toBe(421);
    expect((await ask(server, "/", { host }, "GET")).status).toBe(421);
    expect((await ask(server, SCRAPE, { host }, "OPTIONS")).status).toBe(421);
  });

  it("the name in publicUrl and allowed hosts are ours too", async () => {
    const server = await start({ publicUrl: "https://Tracker.example:8443/", allowedHosts: ["box.lan"] });
    expect(server.url).toBe("https://Tracker.example:8443");
    for (const host of ["tracker.example", "tracker.example:8443", "box.lan:50050"]) {
      expect((await ask(server, SCRAPE, { host })).status, host).toBe(200);
    }
  });

  it("holds for :authority on HTTP/2", async () => {
    const server = await start();
    const session = http2.connect(server.url);
    const status = async (authority: string) => {
      const stream = session.request({ ":path": "/healthz", ":authority": authority });
      const [headers] = await once(stream, "response");
      stream.resume();
      return headers[":status"];
    };
    expect(await status("localhost")).toBe(200);
    expect(await status("evil.example")).toBe(421);
    session.close();
  });

  it("on another bind any name is fine", async () => {
    const server = await start({ host: "0.0.0.0" });
    expect((await ask(server, SCRAPE, { host: "seeder.lan" })).status).toBe(200);
  });
});

describe("pages of other origins", () => {
  const page = "https://page.example";

  it.each([SCRAPE, LOCATE, "/"])("may read %s, without credentials", async (path) => {
    const { status, headers } = await ask(await start(), path, { origin: page });
    expect(status).toBe(200);
    expect(headers["access-control-allow-origin"]).toBe("*");
    expect(headers["access-control-allow-credentials"]).toBeUndefined();
    const exposed = headers["access-control-expose-headers"]?.toLowerCase().split(", ");
    for (const name of ["grpc-status", "grpc-message", "grpc-status-details-bin", "server-timing", "etag"]) {
      expect(exposed).toContain(name);
    }
  });

  it("may not change anything: the call does not run", async () => {
    const { status, headers } = await ask(await start(), ANNOUNCE, { origin: page });
    expect([status, announced]).toEqual([403, 0]);
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect(headers.vary).toBe("Origin");
  });

  it.each(["null", "https://127.0.0.1.evil.example", "https://page.example.evil.example", "garbage"])(
    "%s is no allowed origin either",
    async (origin) => {
      const server = await start({ allowOrigins: [page] });
      expect((await ask(server, ANNOUNCE, { origin })).status).toBe(403);
    },
  );

  it("that are allowed may change things, and so may the server's own page", async () => {
    const server = await start({ allowOrigins: [page] });
    for (const origin of [page, server.url]) {
      const { status, headers } = await ask(server, ANNOUNCE, { origin });
      expect(status).toBe(200);
      expect(headers["access-control-allow-origin"]).toBe(origin);
      expect(headers.vary).toBe("Origin");
    }
    expect(announced).toBe(2);
  });

  it("of the server's own name and port but another scheme may not", async () => {
    const server = await start();
    const https = server.url.replace("http:", "https:");
    expect((await ask(server, ANNOUNCE, { origin: https })).status).toBe(403);
    const authority = await TestAuthority.make();
    const overTls = new RawClient((await start(await authority.issue())).url, 1, {
      ca: await readFile(authority.ca),
    });
    const statusOf = async (origin: string) => {
      const headers = { "content-type": "application/json", origin, host: "localhost:1" };
      return (await overTls.call({ path: ANNOUNCE, headers, body: Buffer.from("{}") })).status;
    };
    expect([await statusOf("http://localhost:1"), await statusOf("https://localhost:1")]).toEqual([403, 200]);
    overTls.close();
    await authority.remove();
  });

  it("on a bind to every address, a name that anybody may point here is no name of the server's own", async () => {
    const server = await start({
      host: "0.0.0.0",
      allowedHosts: ["Box.lan"],
      publicUrl: "https://pub.example",
    });
    const statusOf = async (host: string, path = ANNOUNCE) =>
      (await ask(server, path, { origin: `http://${host}`, host })).status;
    expect(await statusOf(`evil.example:${server.port}`)).toBe(403);
    const own = [
      "box.lan",
      "10.1.2.3:8080",
      "[fd00::1]:8080",
      "localhost:1",
      hostname(),
      `${hostname()}.local`,
    ];
    for (const host of own) expect(await statusOf(host), host).toBe(200);
    expect((await ask(server, ANNOUNCE, { origin: "https://pub.example", host: "inside:80" })).status).toBe(
      200,
    );
    // A page needs more than its name for a call that asks for a token.
    expect(await statusOf("evil.example", WITH_TOKEN)).toBe(401);
  });

  it("programs, which have no origin, may change things", async () => {
    expect((await ask(await start(), ANNOUNCE, {})).status).toBe(200);
  });
});

describe("preflight", () => {
  const preflight = async (path: string, origin: string, options: Partial<ServerOptions> = {}) => {
    const headers = { origin, "access-control-request-method": "POST" };
    return await ask(await start(options), path, headers, "OPTIONS");
  };

  it("of a read is granted to any page and kept for two hours", async () => {
    const { status, headers } = await preflight(SCRAPE, "https://page.example");
    expect(status).toBe(204);
    expect(headers["access-control-allow-origin"]).toBe("*");
    expect(headers["access-control-max-age"]).toBe("7200");
    const allowed = headers["access-control-allow-headers"]?.toLowerCase().split(", ");
    for (const name of ["content-type", "x-grpc-web", "connect-protocol-version", "authorization", "range"]) {
      expect(allowed).toContain(name);
    }
  });

  it("of a change is granted to allowed pages only", async () => {
    const refused = await preflight(ANNOUNCE, "https://page.example");
    expect(refused.headers["access-control-allow-origin"]).toBeUndefined();
    expect(refused.headers["access-control-allow-headers"]).toBeUndefined();
    const allowOrigins = ["https://page.example"];
    const granted = await preflight(ANNOUNCE, "https://page.example", { allowOrigins });
    expect(granted.headers["access-control-allow-origin"]).toBe("https://page.example");
  });
});
