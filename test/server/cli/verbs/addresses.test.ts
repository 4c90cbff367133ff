import { mkdir, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { pieza, type Ran } from "../../../support/processes/pieza.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../../../support/swarms/local-swarm.ts";
import { startToldTracker, type Told } from "../../../support/swarms/told-tracker.ts";
import { startForwardProxy } from "../../../support/wire/forward-proxy.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** What a server may name where a URL belongs, and nothing can be called at. */
const NO_ADDRESSES = [
  "http://",
  "http://127.0.0.1:99999",
  "http://127.0.0.1:0",
  "http://\u001b[31mred",
  "http://127.0.0.1:80/\u001b[2J",
  "http://me:secret@127.0.0.1:80",
  "file:///etc/passwd",
  "javascript:alert(1)",
  "",
];

let swarm: LocalSwarm;
let seeder: string;
const told: Told = { peers: [] };
let tracker: Awaited<ReturnType<typeof startToldTracker>>;
let runs = 0;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  await writeRandomFile(swarm.path("file.bin"), 300_000);
  await swarm.publish("file.bin", "--piece-length", "16KiB");
  seeder = await (await swarm.peer("seeder", "file.bin")).url();
  tracker = await startToldTracker(told, { allowedHosts: ["tracker.test", "catalog.test"] });
});
afterAll(async () => {
  await tracker?.close();
  await swarm.stop();
});

function get(torrent: string, ...flags: string[]): Promise<Ran & { path: string }> {
  return getWith({}, torrent, ...flags);
}

async function getWith(env: NodeJS.ProcessEnv, torrent: string, ...flags: string[]) {
  const cwd = swarm.path(`run-${++runs}`);
  await mkdir(cwd);
  const args = ["get", torrent, "--data", join(cwd, "data"), "--give-up-after", "10s", ...flags];
  return { ...(await pieza(args, { cwd, env })), path: join(cwd, "file.bin") };
}

/** A server on every address of this machine that counts the connections to it. */
async function startTrap() {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, connections: () => connections, close: () => server.close() };
}

/** A server that answers every request with this JSON. */
async function startAnswering(json: unknown) {
  const server = http.createServer((_, response) => response.end(JSON.stringify(json)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}

const isRight = async (path: string) =>
  expect(await sha256sum(path)).toBe(await sha256sum(swarm.path("file.bin")));

/** The torrent's JSON with other trackers, in a file of its own. */
async function torrentWith(trackers: readonly string[]): Promise<string> {
  const torrent = JSON.parse(await readFile(swarm.path("file.bin.json"), "utf8"));
  const path = swarm.path(`torrent-${++runs}.json`);
  await writeFile(path, JSON.stringify({ ...torrent, trackers }));
  return path;
}

describe("what is no address", () => {
  it.each(["auto", "connect", "grpc"])("as a peer is left out, and counted (%s)", async (transport) => {
    told.peers = [...NO_ADDRESSES, seeder];
    const ran = await get(swarm.path("file.bin.json"), "--tracker", tracker.url, "--transport", transport);
    expect(ran.code, ran.stderr).toBe(0);
    await isRight(ran.path);
    const explained = await pieza(["explain", ran.path, "--data", join(ran.path, "../data")]);
    expect(explained.stdout).toContain(
      `${NO_ADDRESSES.length} peers that the tracker named have no valid URL`,
    );
    expect(explained.stdout + ran.stdout + ran.stderr).not.toContain("\u001b");
  });

  it("as a peer is told by peers", async () => {
    told.peers = [...NO_ADDRESSES, seeder];
    const ran = await pieza(["peers", swarm.path("file.bin.json"), "--tracker", tracker.url]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toContain(`${NO_ADDRESSES.length} peers without a valid URL left out`);
    expect(ran.stdout).toContain(seeder);
    expect(ran.stdout).not.toContain("99999");
  });

  it("as the only peers is what a download waits for", async () => {
    told.peers = NO_ADDRESSES;
    const args = ["--tracker", tracker.url, "--give-up-after", "2s"];
    const { code, stderr } = await get(swarm.path("file.bin.json"), ...args);
    expect(code, stderr).toBe(4);
    expect(stderr).toContain(`the ${NO_ADDRESSES.length} peers that the tracker names have no valid URL`);
  });

  it("as a tracker of the torrent is left out, and told", async () => {
    const torrent = await torrentWith([...NO_ADDRESSES, swarm.trackerUrl]);
    const { code, stderr, path } = await get(torrent);
    expect(code, stderr).toBe(0);
    await isRight(path);
    expect(stderr).toContain(
      `${NO_ADDRESSES.length} trackers of file.bin have no valid URL and are left out`,
    );
    expect(stderr).not.toContain("\u001b");
  });

  it("as a tracker of the catalog is left out, and told", async () => {
    const catalog = await startAnswering({ trackers: [...NO_ADDRESSES, 7, swarm.trackerUrl] });
    const { code, stderr, path } = await get(swarm.path("file.bin.json"), "--catalog", catalog.url);
    catalog.close();
    expect(code, stderr).toBe(0);
    await isRight(path);
    const count = NO_ADDRESSES.length + 1;
    expect(stderr).toContain(`${count} trackers of ${catalog.url} have no valid URL and are left out`);
  });
});

describe("an address that a server may not name is not dialled", () => {
  it("0.0.0.0 and link-local addresses, whoever names them", async () => {
    const trap = await startTrap();
    told.peers = [
      `http://0.0.0.0:${trap.port}`,
      "http://169.254.169.254",
      `http://[::]:${trap.port}`,
      seeder,
    ];
    const ran = await get(swarm.path("file.bin.json"), "--tracker", tracker.url);
    expect(ran.code, ran.stderr).toBe(0);
    await isRight(ran.path);
    expect(trap.connections()).toBe(0);
    trap.close();
    const explained = await pieza(["explain", ran.path, "--data", join(ran.path, "../data")]);
    expect(explained.stdout).toContain(
      "skipped: 169.254.169.254 is a link-local or reserved address; --allow-network 169.254.169.254/32 allows it",
    );
  });

  it("this machine's, by a tracker that is elsewhere, unless the person allows it", async () => {
    // Only the proxy knows the tracker's name, so the tracker may be anywhere.
    const proxy = await startForwardProxy();
    const trap = await startTrap();
    const elsewhere = tracker.url.replace("127.0.0.1", "tracker.test");
    const args = [swarm.path("file.bin.json"), "--tracker", elsewhere] as const;
    told.peers = [`http://127.0.0.1:${trap.port}`, `http://localhost:${trap.port}`];
    const refused = await getWith({ HTTP_PROXY: proxy.url }, ...args, "--give-up-after", "2s");
    expect(refused.code, refused.stderr).toBe(4);
    expect(refused.stderr).toContain(
      "127.0.0.1 is an address of this machine, and the server that named it has a public address",
    );
    expect(trap.connections()).toBe(0);
    trap.close();
    told.peers = [seeder];
    const allowed = await getWith({ HTTP_PROXY: proxy.url }, ...args, "--allow-network", "127.0.0.0/8");
    expect(allowed.code, allowed.stderr).toBe(0);
    await isRight(allowed.path);
    await proxy.close();
  });

  it("this machine's, as a tracker of a catalog or a torrent that is elsewhere, unless the person names it", async () => {
    const proxy = await startForwardProxy();
    const env = { HTTP_PROXY: proxy.url };
    const trap = await startTrap();
    const near = `http://127.0.0.1:${trap.port}`;
    const torrent = JSON.parse(await readFile(await torrentWith([near]), "utf8"));
    const [catalog, page] = [await startAnswering({ trackers: [near] }), await startAnswering(torrent)];
    const elsewhere = (url: string) => url.replace("127.0.0.1", "catalog.test");
    const byCatalog = await getWith(env, swarm.path("file.bin.json"), "--catalog", elsewhere(catalog.url));
    expect(byCatalog.code, byCatalog.stderr).toBe(2);
    expect(byCatalog.stderr).toContain(`the tracker ${near} of ${elsewhere(catalog.url)} is left out`);
    const byTorrent = await getWith(env, elsewhere(page.url), "--tracker", swarm.trackerUrl);
    expect(byTorrent.code, byTorrent.stderr).toBe(0);
    expect(byTorrent.stderr).toContain(`the tracker ${near} of ${elsewhere(page.url)} is left out`);
    expect(trap.connections()).toBe(0);
    for (const { close } of [trap, catalog, page]) close();
    await proxy.close();
  });
});
