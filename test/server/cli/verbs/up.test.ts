import { exec } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { pieza } from "../../../support/processes/pieza.ts";
import { PiezaProcess } from "../../../support/processes/pieza-process.ts";
import { sha256sum } from "../../../support/swarms/local-swarm.ts";
import { TestAuthority } from "../../../support/wire/certificates.ts";

// Processes on a busy machine: what counts is that nothing hangs.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const shell = promisify(exec);
const anyPorts = ["--tracker-port", "0", "--catalog-port", "0", "--gateway-port", "0", "--peer-port", "0"];

interface Ready {
  page: string;
  catalog: string;
  tracker: string;
  peers: { url: string; pid: number }[];
}

let folder: string;
let data: string;
let page: string;

/** Starts the demo with a page of one line, so that none is built. */
async function startUp(...flags: string[]): Promise<{ up: PiezaProcess; ready: Ready }> {
  const up = new PiezaProcess(["up", ...anyPorts, "--json", "--data", data, "--page", page, ...flags], {
    cwd: folder,
  });
  const ready = await up.line("ready", (line) => line.event === "ready");
  return { up, ready: ready as unknown as Ready };
}

/** Resolves once none of the processes is left. */
async function gone(pids: readonly number[]): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (pids.some(isAlive)) {
    if (Date.now() > deadline) throw new Error(`still alive: ${pids.filter(isAlive)}`);
    await setTimeout(20);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-up-"));
  data = join(folder, "data");
  page = join(folder, "page");
  await mkdir(page);
  await writeFile(join(page, "index.html"), "<!doctype html><title>Pieza</title>");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("pieza up", () => {
  let up: PiezaProcess;
  let ready: Ready;

  beforeAll(async () => {
    ({ up, ready } = await startUp());
  });
  afterAll(async () => {
    up.kill("SIGINT");
    await up.finished(20_000);
    await gone(ready.peers.map(({ pid }) => pid));
  });

  it("serves the page, with a token for it in the address", async () => {
    const { hash, origin } = new URL(ready.page);
    expect(hash).toMatch(/^#token=[\w-]{32}$/);
    const answer = await fetch(origin, { headers: { accept: "text/html" } });
    expect(await answer.text()).toContain("<title>Pieza</title>");
  });

  it("names a curl command for people", async () => {
    const { stdout } = await shell(`curl -sf ${ready.catalog}/files/shakira.json`);
    expect(JSON.parse(stdout)).toMatchObject({ file_name: "shakira.mp3", total_pieces: 5 });
  });

  it.each(["greeting", "shakira.mp3", "ocean-64MiB.bin"])(
    "gives %s bit for bit, from what its peers have in part",
    async (file) => {
      const args = [
        "get",
        file.replace(/\.mp3$/, ""),
        "--catalog",
        ready.catalog,
        "-d",
        folder,
        "--give-up-after",
        "20s",
      ];
      expect(await pieza(args, { timeoutMs: 60_000 })).toMatchObject({ code: 0 });
      expect(await sha256sum(join(folder, file))).toBe(await sha256sum(join(data, "demo/files", file)));
    },
  );

  it("gives the folder, names, empty file and all", async () => {
    const args = ["get", "lectures", "--catalog", ready.catalog, "-d", folder, "--give-up-after", "20s"];
    expect(await pieza(args)).toMatchObject({ code: 0 });
    const { stdout } = await shell(
      `diff -r ${folder}/lectures ${data}/demo/files/lectures && find ${folder}/lectures -empty`,
    );
    expect(stdout).toContain("pizarra vacía.txt");
  });

  it("lets this user publish without naming the token", async () => {
    const options = { cwd: folder, env: { PIEZA_CATALOG: ready.catalog, PIEZA_DATA: data } };
    await writeFile(join(folder, "mine.txt"), "mine");
    await pieza(["create", "mine.txt"], options);
    expect(await pieza(["publish", "mine.txt.json"], options)).toMatchObject({ code: 0 });
    expect(await pieza(["rm", "mine.txt"], options)).toMatchObject({ code: 0 });
  });

  it("goes on when one of its peers is killed, and says so", async () => {
    const victim = ready.peers[2]!;
    process.kill(victim.pid, "SIGKILL");
    await up.line(
      "the peer's end",
      (line) => line.event === "warning" && String(line.message).includes(victim.url),
    );
    const args = ["get", "ocean-64MiB.bin", "--catalog", ready.catalog, "-o", join(folder, "again.bin")];
    expect(await pieza(args, { timeoutMs: 60_000 })).toMatchObject({ code: 0 });
    expect(await sha256sum(join(folder, "again.bin"))).toBe(
      await sha256sum(join(data, "demo/files/ocean-64MiB.bin")),
    );
  });
});

it("takes its peers along, whatever kills it", async () => {
  const { up, ready } = await startUp();
  const pids = ready.peers.map(({ pid }) => pid);
  expect(pids.filter(isAlive)).toHaveLength(4);
  up.kill("SIGKILL");
  await gone(pids);
});

it("names the port that is taken and the flag for another, and leaves no process behind", async () => {
  const { up, ready } = await startUp();
  const port = new URL(ready.peers[3]!.url).port;
  const first = String(Number(port) - 1);
  const args = [
    "up",
    ...anyPorts.slice(0, 4),
    "--peer-port",
    first,
    "--data",
    join(folder, "other"),
    "--page",
    page,
  ];
  const second = await pieza(args, { timeoutMs: 60_000 });
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(/port \d+ is in use; choose others with --peer-port or PIEZA_PEER_PORT/);
  up.kill("SIGTERM");
  expect(await up.finished(20_000)).toBe(0);
  await gone(ready.peers.map(({ pid }) => pid));
});

it("speaks TLS at every port, and lets pages of a named origin publish", async () => {
  const authority = await TestAuthority.make();
  const { tlsCert, tlsKey } = await authority.issue();
  const origin = "https://pages.example";
  const tls = ["--tls-cert", tlsCert, "--tls-key", tlsKey, "--ca", authority.ca, "--allow-origin", origin];
  const { up, ready } = await startUp(...tls);
  const urls = [ready.catalog, ready.tracker, ...ready.peers.map(({ url }) => url)];
  expect(urls.filter((url) => !url.startsWith("https://127.0.0.1:"))).toEqual([]);
  const out = join(folder, "over-tls");
  const args = ["get", "greeting", "--catalog", ready.catalog, "--ca", authority.ca, "-o", out];
  expect(await pieza([...args, "--give-up-after", "20s"])).toMatchObject({ code: 0 });
  expect(await sha256sum(out)).toBe(await sha256sum(join(data, "demo/files/greeting")));
  const publish = `${ready.catalog}/pieza.v1.CatalogService/PublishTorrent`;
  const store = `${ready.peers[0]!.url}/pieza.v1.PeerService/StorePiece`;
  for (const url of [publish, store]) {
    const preflight = `curl -s --cacert ${authority.ca} -X OPTIONS -i ${url} -H 'Origin: ${origin}' -H 'Access-Control-Request-Method: POST'`;
    expect((await shell(preflight)).stdout).toMatch(/access-control-allow-origin: https:\/\/pages\.example/i);
  }
  up.kill("SIGINT");
  await up.finished(20_000);
  await gone(ready.peers.map(({ pid }) => pid));
  await authority.remove();
});

it("prints for people what they can do", async () => {
  const child = new PiezaProcess(["up", ...anyPorts, "--data", data, "--page", page], { cwd: folder });
  await child.until("the last line", () => child.text.includes("Ctrl-C stops everything."));
  expect(child.text).toMatch(/The page: {3}http:\/\/127\.0\.0\.1:\d+\/#token=/);
  expect(child.text).toMatch(/To a file: {2}npm run -s pieza -- get ocean-64MiB\.bin --catalog http:/);
  expect(child.text.match(/kill \d+$/gm)).toHaveLength(4);
  child.kill("SIGINT");
  expect(await child.finished(20_000)).toBe(130);
});
