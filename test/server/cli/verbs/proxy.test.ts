import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { pieza } from "../../../support/processes/pieza.ts";
import type { PiezaProcess } from "../../../support/processes/pieza-process.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../../../support/swarms/local-swarm.ts";
import { startToldTracker } from "../../../support/swarms/told-tracker.ts";
import { TestAuthority } from "../../../support/wire/certificates.ts";
import { type ForwardProxy, startForwardProxy } from "../../../support/wire/forward-proxy.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const BYTES = 3 << 20;

/** A swarm that is known by names of *.test, which mean something to the proxy alone. */
let swarm: LocalSwarm;
let authority: TestAuthority;
let catalog: string;
let proxy: ForwardProxy;
/** By scheme. */
let trackers: Record<"http" | "https", string>;
const closers: (() => Promise<unknown>)[] = [];
let runs = 0;

const named = (name: string, url: string) => url.replace("127.0.0.1", name);

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  authority = await TestAuthority.make();
  const names = { names: "DNS:tracker.test,DNS:peer.test,IP:127.0.0.1" };
  const { tlsCert, tlsKey } = await authority.issue(names);
  await writeRandomFile(swarm.path("file.bin"), BYTES);
  await swarm.publish("file.bin", "--piece-length", "256KiB");
  trackers = { http: "", https: "" };
  for (const scheme of ["http", "https"] as const) {
    const tls = scheme === "https" ? { tlsCert, tlsKey } : {};
    const flags = scheme === "https" ? ["--tls-cert", tlsCert, "--tls-key", tlsKey] : [];
    const peer = peerOf(flags);
    const peers = [named("peer.test", await peer.url())];
    const tracker = await startToldTracker({ peers }, { ...tls, allowedHosts: ["tracker.test"] });
    closers.push(() => tracker.close());
    trackers[scheme] = named("tracker.test", tracker.url);
  }
  const own = swarm.run("catalog-2", ["catalog", "--port", "0", "--allowed-host", "catalog.test"]);
  swarm.catalogUrl = await own.url();
  await swarm.done("publisher", ["publish", swarm.path("file.bin.json"), "--catalog", swarm.catalogUrl]);
  catalog = named("catalog.test", swarm.catalogUrl);
});
afterAll(async () => {
  for (const close of closers) await close();
  await swarm.stop();
  await authority.remove();
});
afterEach(() => proxy?.close());

function peerOf(flags: readonly string[]): PiezaProcess {
  const path = swarm.path("file.bin");
  const args = ["peer", path, "--torrent", `${path}.json`, "--port", "0", "--allowed-host", "peer.test"];
  return swarm.run(`peer-${flags.length}`, [...args, ...swarm.trackerFlag, ...flags]);
}

/** Gets the file in a folder of its own; with its exit code and where it was put. */
async function get(args: readonly string[], env: NodeJS.ProcessEnv) {
  const cwd = swarm.path(`run-${++runs}`);
  await mkdir(cwd);
  const all = ["get", ...args, "--data", join(cwd, "data"), "--give-up-after", "5s", "-v"];
  const ran = await pieza(all, { cwd, env: { PIEZA_CA: authority.ca, ...env } });
  return { ...ran, path: join(cwd, "file.bin") };
}

const isRight = async (path: string) =>
  expect(await sha256sum(path)).toBe(await sha256sum(swarm.path("file.bin")));

describe("get through a proxy", () => {
  it.each([
    ["http", "auto"],
    ["http", "connect"],
    ["http", "grpc"],
    ["https", "auto"],
    ["https", "connect"],
    ["https", "grpc"],
  ] as const)(
    "%s by --transport %s: catalog, tracker and pieces come through it",
    async (scheme, transport) => {
      proxy = await startForwardProxy();
      const way = new URL(proxy.url);
      way.username = "me";
      way.password = "p@ss";
      const { code, stderr, path } = await get(
        ["file.bin", "--catalog", catalog, "--tracker", trackers[scheme], "--transport", transport],
        { HTTP_PROXY: way.href, https_proxy: way.href },
      );
      expect(code, stderr).toBe(0);
      await isRight(path);
      expect(proxy.bytes).toBeGreaterThan(BYTES);
      const { host } = new URL(trackers[scheme]);
      expect([...proxy.tunnels, ...proxy.forwarded]).toEqual(
        expect.arrayContaining([new URL(catalog).host, host, expect.stringContaining("peer.test:")]),
      );
      expect([...proxy.logins]).toEqual([`Basic ${Buffer.from("me:p@ss").toString("base64")}`]);
      const pieces = scheme === "http" && transport !== "grpc" ? proxy.forwarded : proxy.tunnels;
      expect(pieces).toContainEqual(expect.stringContaining("peer.test:"));
    },
  );

  it("a torrent's URL is read through it too", async () => {
    proxy = await startForwardProxy();
    const { code, stderr, path } = await get([`${catalog}/files/file.bin.json`, "--tracker", trackers.http], {
      http_proxy: proxy.url,
    });
    expect(code, stderr).toBe(0);
    await isRight(path);
  });

  it("doctor looks through it, and says so", async () => {
    proxy = await startForwardProxy();
    const { code, stdout } = await pieza(["doctor", trackers.http], { env: { HTTP_PROXY: proxy.url } });
    expect(code, stdout).toBe(0);
    expect(stdout).toContain(`requests go through the proxy ${proxy.url}`);
    expect(stdout).toContain("in a round trip of");
  });

  it("goes round it to this machine, and to what NO_PROXY names", async () => {
    proxy = await startForwardProxy();
    const loopback = await get(["file.bin", "--catalog", swarm.catalogUrl, "--tracker", swarm.trackerUrl], {
      HTTP_PROXY: proxy.url,
    });
    expect(loopback.code, loopback.stderr).toBe(0);
    await isRight(loopback.path);
    // Nobody but the proxy knows the name.
    const around = await get(["file.bin", "--catalog", catalog, "--tracker", trackers.http], {
      HTTP_PROXY: proxy.url,
      NO_PROXY: "other.example, .test",
    });
    expect(around.code).toBe(7);
    expect([...proxy.tunnels, ...proxy.forwarded]).toEqual([]);
  });

  it("says so when the proxy refuses, is not there, or is none", async () => {
    proxy = await startForwardProxy({ refuse: 403 });
    const args = ["file.bin", "--catalog", catalog, "--tracker", trackers.http];
    const refused = await get(args, { HTTP_PROXY: proxy.url });
    expect(refused.code).toBe(7);
    expect(refused.stderr).toContain(`the proxy ${proxy.url}: it answers 403`);
    const gone = await get(args, { HTTP_PROXY: "http://127.0.0.1:1" });
    expect(gone.code).toBe(7);
    expect(gone.stderr).toContain("the proxy http://127.0.0.1:1: connect ECONNREFUSED");
    const none = await get(args, { HTTP_PROXY: "socks5://127.0.0.1:1080" });
    expect(none.code).toBe(2);
    expect(none.stderr).toContain("HTTP_PROXY");
  });
});
