import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { publint } from "publint";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { root } from "../../scripts/run-command.ts";
import { installPieza, type Packed, packPieza } from "../support/processes/packed.ts";
import { PiezaProcess } from "../support/processes/pieza-process.ts";
import { RedisServer } from "../support/processes/redis-server.ts";
import { readTorrentJson, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const run = promisify(execFile);
let packed: Packed;
/** Empty but for the installed package. */
let folder: string;
let command: string;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  packed = await packPieza();
  folder = await mkdtemp(join(tmpdir(), "pieza-package-"));
  command = await installPieza(packed, join(folder, "prefix"));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await packed.remove();
});

const pieza = (...args: string[]) => run(process.execPath, [command, ...args], { cwd: folder });

/** Starts a server on a free port, with a data folder of its own. */
function server(...args: string[]): PiezaProcess {
  const flags = ["--port", "0", "--json", "--data", join(folder, `data-${args[0]}`)];
  const running = new PiezaProcess([...args, ...flags], { cwd: folder, entry: command });
  ends.push(() => running.stop());
  return running;
}

it("says its version", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  expect((await pieza("--version")).stdout.trim()).toBe(version);
});

it("creates a torrent, finds the file right, and finds it wrong after one byte has changed", async () => {
  await writeRandomFile(join(folder, "some.bin"), 3_000_000);
  await pieza("create", "some.bin", "-o", "some.json");
  expect((await readTorrentJson(join(folder, "some.json"))).total_pieces).toBe(3);
  await pieza("verify", "some.json", "some.bin");
  const bytes = await readFile(join(folder, "some.bin"));
  bytes[2_000_000]! ^= 1;
  await writeFile(join(folder, "some.bin"), bytes);
  await expect(pieza("verify", "some.json", "some.bin")).rejects.toMatchObject({ code: 5 });
});

it("downloads from a tracker and a peer of its own, over plain sockets and gRPC, and serves the page", async () => {
  await writeRandomFile(join(folder, "shared.bin"), 5_000_000);
  const tracker = await server("tracker").url();
  await pieza("create", "shared.bin", "-o", "shared.json", "--tracker", tracker);
  const peer = server("peer", "shared.bin", "--torrent", "shared.json", "--tracker", tracker);
  await peer.line("listed", ({ event, listed }) => event === "announced" && listed === true);
  for (const transport of ["auto", "grpc"]) {
    const out = join(folder, `got-${transport}.bin`);
    await pieza(
      "get",
      "shared.json",
      "-o",
      out,
      "--transport",
      transport,
      "--data",
      join(folder, "data-get"),
    );
    expect(await sha256sum(out)).toBe(await sha256sum(join(folder, "shared.bin")));
  }
  const page = await fetch(await server("catalog").url(), { headers: { accept: "text/html" } });
  expect(await page.text()).toContain("<!doctype html>");
});

it("has two trackers that share their state in a Redis", async () => {
  const redis = await RedisServer.start();
  ends.push(() => redis.kill());
  const urls = await Promise.all([1, 2].map(() => server("tracker", "--store", redis.url).url()));
  const identityOf = async (url: string) => (await (await fetch(url)).json()).tracker_id;
  const distinct = async () => new Set(await Promise.all(urls.map(identityOf))).size;
  await expect.poll(distinct, { timeout: 20_000 }).toBe(1);
});

it("has the page, the protos and the licences, and nothing of a checkout", async () => {
  const installed = join(folder, "prefix/lib/node_modules/pieza");
  expect(await readdir(installed)).not.toContain("node_modules");
  const described = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
  expect(described.bin).toEqual({ pieza: "server/cli/pieza.js" });
  for (const field of ["dependencies", "optionalDependencies", "devDependencies", "private", "scripts"]) {
    expect(described).not.toHaveProperty(field);
  }
  expect(await readFile(join(installed, "THIRD-PARTY-LICENSES.txt"), "utf8")).toMatch(
    /@connectrpc\/connect .*Apache/,
  );
  for (const file of ["web/dist/index.html", "proto/pieza/v1/peer.proto", "LICENSE", "README.md"]) {
    expect((await readFile(join(installed, file))).length, file).toBeGreaterThan(0);
  }
});

it("satisfies publint", async () => {
  expect((await publint({ pkgDir: packed.dist, strict: true })).messages).toEqual([]);
});
