import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { torrentText } from "#core/torrent/torrent-json.ts";
import { startCatalog } from "../../../../server/catalog/catalog.ts";
import { checkServer } from "../../../../server/cli/doctor/check-server.ts";
import { checkSpace } from "../../../../server/cli/doctor/check-torrent.ts";
import { checkBuffers, checkWindows } from "../../../../server/cli/doctor/check-windows.ts";
import type { ServerKind } from "../../../../server/cli/doctor/finding.ts";
import { type PeerOptions, startPeer } from "../../../../server/peer/peer.ts";
import { startTracker } from "../../../../server/tracker/tracker.ts";
import { startDelayProxy } from "../../../bench/delay-proxy.ts";
import { pieza } from "../../../support/processes/pieza.ts";
import { PiezaProcess } from "../../../support/processes/pieza-process.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { startToldTracker } from "../../../support/swarms/told-tracker.ts";
import { TestAuthority } from "../../../support/wire/certificates.ts";
import { startForwardProxy } from "../../../support/wire/forward-proxy.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let folder: string;
let authority: TestAuthority;
let made: MadeTorrent;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-doctor-"));
  authority = await TestAuthority.make();
  made = await makeTorrent({ length: 100_000 });
  await writeFile(join(folder, "it.json"), torrentText(made.torrent));
  await writeFile(join(folder, "file.bin"), made.whole);
});
afterAll(async () => {
  await authority.remove();
  await rm(folder, { recursive: true, force: true });
});

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Starts something that is closed behind the test. */
async function start<T extends { close(): unknown }>(starting: Promise<T>): Promise<T> {
  const started = await starting;
  ends.push(() => started.close());
  return started;
}

const catalogOf = (trackers: string[], host = "127.0.0.1") => {
  const directory = join(folder, "torrents");
  return start(startCatalog({ port: 0, host, directory, token: "a-token-for-tests-only", trackers }));
};
const tracker = (host = "127.0.0.1") => start(startTracker({ port: 0, host }));

async function peer(trackers: string[], pieces: number[], options: Partial<PeerOptions> = {}) {
  const store = new MemoryPieceStore(made.geometry);
  for (const n of pieces) {
    store.write(made.at(n), 0, made.bytes(n));
    store.commit(made.at(n));
  }
  const listed = Promise.withResolvers<void>();
  const onStatus: PeerOptions["onStatus"] = (_, status) => void (status.listed && listed.resolve());
  const running = await start(startPeer({ port: 0, trackers, dataDir: folder, onStatus, ...options }));
  running.add(made.torrent, store);
  if (trackers.length > 0) await listed.promise;
  return running;
}

/** A server that is not ours. */
async function foreign(answer: RequestListener, port = 0): Promise<string> {
  const server = createServer(answer).listen(port, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const overview = JSON.stringify({ service: "pieza peer" });
const cors = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "grpc-status",
  "access-control-allow-headers": "content-type, x-grpc-web, grpc-timeout",
};

async function look(url: string, role?: ServerKind, ca?: string) {
  const { findings } = await checkServer(url, role, { ca, signal: new AbortController().signal });
  return findings.map(({ check, level, message, advice }) => `${level} ${check}: ${message}; ${advice}`);
}

describe("doctor finds", () => {
  it.each(["127.0.0.1", "::1"])("nothing wrong with servers of ours at %s", async (host) => {
    const catalog = await catalogOf([], host);
    for (const { url } of [catalog, await tracker(host), await peer([], [0], { host })]) {
      for (const line of await look(url)) expect(line).toMatch(/^ok /);
    }
  });

  it("a server that is not there", async () => {
    const { url, close } = await startTracker({ port: 0 });
    await close();
    expect(await look(url, "tracker")).toEqual([
      "problem tracker: nothing listens at this address; start the server, or check the host and port",
    ]);
  });

  it("a server that accepts and never answers", async () => {
    const url = await foreign(() => {});
    expect((await look(url, "peer"))[0]).toMatch(/^problem peer: no answer in 5 s; check for a firewall/);
  });

  it("one of ours in another role, and one that is not ours", async () => {
    const { url } = await tracker();
    expect((await look(url, "peer"))[0]).toBe(
      "problem peer: it is a tracker, not a peer; give the URL of a peer",
    );
    const page = await foreign((_, response) => response.end("<html>"));
    expect((await look(page, "peer"))[0]).toMatch(
      /^warning peer: it answers with status 200 and does not identify itself/,
    );
  });

  it("a name that a server does not answer to", async () => {
    const url = await foreign((_, response) => response.writeHead(421).end());
    expect((await look(url, "tracker"))[0]).toMatch(
      /^problem tracker: it refuses requests for this host name; .*--allowed-host/,
    );
  });

  const certificates = {
    "that has expired": [
      { days: -1 },
      /^problem tls: its certificate has expired; its operator has to renew it$/,
    ],
    "of itself": [
      { selfSigned: true },
      /^problem tls: its certificate is self-signed; if you trust it, name its PEM/,
    ],
    "for another name": [
      { names: "DNS:other.example" },
      /^problem tls: its certificate is not for the name 127\.0\.0\.1; /,
    ],
    "that ends soon": [{ days: 2 }, /^warning tls: .* which is soon; renew it/],
  } as const;
  for (const [what, [certificate, finding]] of Object.entries(certificates)) {
    it(`a certificate ${what}`, async () => {
      const { url } = await start(startTracker({ port: 0, ...(await authority.issue(certificate)) }));
      const lines = await look(url, "tracker", await readFile(authority.ca, "utf8"));
      expect(lines.filter((line) => finding.test(line))).toHaveLength(1);
    });
  }

  it("an authority that is not known, TLS where http was said, and http where TLS was", async () => {
    const { url, port } = await start(startTracker({ port: 0, ...(await authority.issue()) }));
    expect((await look(url, "tracker"))[0]).toMatch(
      /^problem tls: .*authority that is not known here; .*--ca/,
    );
    expect((await look(`http://127.0.0.1:${port}`, "tracker"))[0]).toMatch(
      /^problem tracker: .*does not accept plain HTTP; .*try https:/,
    );
    const plain = await tracker();
    const lines = await look(plain.url.replace("http:", "https:"), "tracker");
    expect(lines[0]).toMatch(/^problem (tls|tracker): .*(does not speak TLS|is not HTTP)/);
  });

  it("a proxy that swallows CORS headers, those that pages may read, or OPTIONS", async () => {
    const without = await foreign((_, response) => response.end(overview));
    expect(await look(without, "peer")).toContainEqual(
      expect.stringMatching(/^problem cors: pages in browsers cannot read/),
    );
    const unexposed = { ...cors, "access-control-expose-headers": "etag" };
    const mute = await foreign((_, response) => response.writeHead(200, unexposed).end(overview));
    expect(await look(mute, "peer")).toContainEqual(expect.stringMatching(/^problem cors: .*grpc-status/));
    const strict = await foreign(({ method }, response) =>
      method === "OPTIONS" ? response.writeHead(405).end() : response.writeHead(200, cors).end(overview),
    );
    expect(await look(strict, "peer")).toContainEqual(expect.stringMatching(/^problem cors: .*\(OPTIONS\)/));
  });

  it("a clock that is wrong", async () => {
    const date = new Date(Date.now() + 2 * 3_600_000).toUTCString();
    const url = await foreign((_, response) => response.writeHead(200, { ...cors, date }).end(overview));
    expect(await look(url, "peer")).toContainEqual(
      expect.stringMatching(
        /^warning clock: its clock is (1:59|2:00):?\d* h ahead of this machine's; set both clocks by NTP/,
      ),
    );
  });

  it("a server without HTTP/2, and one whose window is small for a long link", async () => {
    const old = await foreign((_, response) => response.writeHead(200, cors).end(overview));
    expect(await look(old, "peer")).toContainEqual(
      expect.stringMatching(/^warning windows: it does not speak HTTP\/2/),
    );
    const stock = http2.createServer({ settings: { initialWindowSize: 65_535 } }, (_, response) => {
      response.writeHead(200, cors);
      response.end(overview);
    });
    stock.listen(0, "127.0.0.1");
    await once(stock, "listening");
    ends.push(() => stock.close());
    const { port } = stock.address() as AddressInfo;
    const far = await start(startDelayProxy({ targetPort: port, roundTripMs: 60 }));
    const finding = await checkWindows(far.url, "peer", {
      ca: undefined,
      signal: new AbortController().signal,
    });
    expect(finding).toMatchObject({
      level: "warning",
      message: expect.stringContaining("an upload gets 1.2 MiB/s at most"),
    });
  });

  it("a machine that receives little at once", async () => {
    const small = await checkBuffers(async () => "4096\t131072\t262144\n");
    expect(small).toMatchObject({
      level: "warning",
      advice: expect.stringContaining("sysctl -w net.ipv4.tcp_rmem"),
    });
    expect(await checkBuffers(async () => "4096 131072 6291456")).toMatchObject({ level: "ok" });
    expect(await checkBuffers(() => Promise.reject(new Error("no such file")))).toBeUndefined();
  });

  it("a disk without room", () => {
    expect(checkSpace(made.torrent, folder, () => 50_000)).toMatchObject({
      level: "problem",
      message: "file.bin needs 97.7 KiB, and 48.8 KiB are free",
    });
    expect(checkSpace(made.torrent, folder)).toMatchObject({ level: "ok" });
  });
});

describe("doctor of a torrent", () => {
  const run = (...args: string[]) =>
    pieza(["doctor", ...args, "--data", join(folder, "data")], { cwd: folder });

  it.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "::1"],
    ["::1", "127.0.0.1"],
    ["127.0.0.1", "::1"],
  ])("says that all is well with a tracker at %s and a peer at %s", async (host, peerHost) => {
    const { url } = await tracker(host);
    await peer([url], [0, 1, 2, 3, 4, 5, 6], { host: peerHost });
    const { code, stdout } = await run("it.json", "--tracker", url);
    expect(stdout).toContain("it names 1 peer of this torrent");
    expect(stdout).toContain("every piece together");
    expect(stdout).not.toContain("PROBLEM");
    expect(code).toBe(0);
  });

  it("names a peer that is dead, a tracker that is gone, and the pieces that nobody has", async () => {
    const { url } = await tracker();
    await peer([url], [0, 1, 2]);
    const flags = [
      "--torrent",
      "it.json",
      "--tracker",
      url,
      "--port",
      "0",
      "--json",
      "--data",
      join(folder, "d2"),
    ];
    const dead = new PiezaProcess(["peer", "file.bin", ...flags], { cwd: folder });
    ends.push(() => dead.stop());
    const deadUrl = await dead.url();
    await dead.line("named", ({ event, listed }) => event === "announced" && listed === true);
    dead.kill("SIGKILL");
    await dead.exit;
    const gone = await startTracker({ port: 0 });
    await gone.close();
    const { code, events } = await run("it.json", "--tracker", url, "--tracker", gone.url, "--json");
    expect(code).toBe(1);
    const problems = events.filter(({ event, level }) => event === "finding" && level === "problem");
    expect(problems).toMatchObject([
      { check: "tracker", subject: gone.url, message: "nothing listens at this address" },
      { check: "peer", subject: deadUrl, message: "nothing listens at this address" },
      { check: "pieces", message: "no reachable peer has 4 pieces of 7" },
    ]);
  });

  it("says what to do when nobody serves it, when no tracker is known, and when the catalog is away", async () => {
    const { url } = await tracker();
    expect((await run("it.json", "--tracker", url)).stdout).toMatch(
      /PROBLEM {2}tracker .*no peer of this torrent\n +start a peer/,
    );
    const catalog = await catalogOf([]);
    const unknown = await run("it.json", "--catalog", catalog.url);
    expect(unknown.stdout).toContain("no tracker is known for this torrent");
    await catalog.close();
    const away = await run("some-name", "--catalog", catalog.url);
    expect(away.stdout).toMatch(/PROBLEM {2}catalog .*nothing listens at this address/);
    expect(away.code).toBe(1);
  });

  it("asks no peer that is not reached through a proxy, and reports it once", async () => {
    const { url } = await start(
      startToldTracker({ peers: ["http://peer.test:1"] }, { allowedHosts: ["tracker.test"] }),
    );
    const proxy = await start(startForwardProxy());
    const args = ["doctor", "it.json", "--tracker", url.replace("127.0.0.1", "tracker.test"), "--json"];
    const env = { HTTP_PROXY: proxy.url };
    const { events } = await pieza([...args, "--data", join(folder, "data")], { cwd: folder, env });
    const ofPeer = events.filter(({ subject }) => subject === "http://peer.test:1");
    expect(ofPeer).toMatchObject([
      { check: "proxy", level: "ok" },
      { check: "peer", level: "problem" },
    ]);
  });

  it("names peers whose URLs are no addresses, or addresses that a tracker may not name", async () => {
    const { url } = await start(
      startToldTracker({ peers: ["http://", "http://a:99999", "http://0.0.0.0:1"] }),
    );
    const { code, stdout } = await run("it.json", "--tracker", url);
    expect(code).toBe(1);
    expect(stdout).toContain("2 peers that it names have no valid URL and are left out");
    expect(stdout).toMatch(
      /PROBLEM {2}peer .*0\.0\.0\.0 is a link-local or reserved address\n +pieza get takes it with/,
    );
  });

  it("looks at the server of a torrent's URL when that is not there, and not at the catalog", async () => {
    const gone = await startTracker({ port: 0 });
    await gone.close();
    const catalog = await catalogOf([]);
    const { code, stdout } = await run(`${gone.url}/files/it.json`, "--catalog", catalog.url);
    expect(code).toBe(1);
    expect(stdout).toContain(`PROBLEM  server   ${gone.url}: nothing listens at this address`);
    expect(stdout).not.toContain(catalog.url);
    const page = await run(`${gone.url}/#/t/it`, "--catalog", catalog.url);
    expect(page.stdout).toContain(`PROBLEM  server   ${gone.url}: nothing listens at this address`);
    expect(page.stdout).not.toContain(catalog.url);
  });

  it("says so when the server of a torrent's URL answers, and not with the torrent", async () => {
    const url = await foreign((_, response) => response.writeHead(503).end());
    const { code, stdout } = await run(`${url}/it.json`);
    expect(code).toBe(1);
    expect(stdout).toMatch(/PROBLEM {2}server .*\/it\.json answered 503 Service Unavailable/);
  });

  it("says where a server redirects to", async () => {
    const location = "https://127.0.0.1:1/";
    const url = await foreign((_, response) => response.writeHead(308, { location }).end());
    expect((await look(url))[0]).toMatch(
      /^warning server: it redirects to https:\/\/127\.0\.0\.1:1\/; give that URL/,
    );
  });

  it("looks at a catalog and the trackers that it names", async () => {
    const { url } = await tracker();
    const catalog = await catalogOf([url]);
    const { code, stdout } = await run(catalog.url);
    expect(stdout).toContain(`${url}: a tracker that answers`);
    expect(code).toBe(0);
  });
});
