import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { buildPackage } from "../../scripts/build.ts";
import { root } from "../../scripts/run-command.ts";
import { PiezaProcess } from "../support/processes/pieza-process.ts";
import { readTorrentJson, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const run = promisify(execFile);
let folder: string;
let installed: string;
const ends: (() => unknown)[] = [];

/** Packs dist/ and lays it out as npm would, with the declared dependencies and no others beside it. */
beforeAll(async () => {
  await buildPackage();
  folder = await mkdtemp(join(tmpdir(), "pieza-package-"));
  await run("npm", ["pack", "--pack-destination", folder], { cwd: join(root, "dist") });
  installed = join(folder, "node_modules/pieza");
  await mkdir(installed, { recursive: true });
  const { version, dependencies } = JSON.parse(await readFile(join(root, "dist/package.json"), "utf8"));
  await run("tar", ["-xzf", join(folder, `pieza-${version}.tgz`), "-C", installed, "--strip-components=1"]);
  for (const name of Object.keys(dependencies)) {
    const link = join(folder, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(root, "node_modules", name), link);
  }
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const command = () => join(installed, "server/cli/pieza.js");
const pieza = (...args: string[]) => run(process.execPath, [command(), ...args], { cwd: folder });

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
  const server = (...args: string[]) => {
    const flags = ["--json", "--data", join(folder, `data-${args[0]}`)];
    const running = new PiezaProcess([...args, "--port", "0", ...flags], { cwd: folder, entry: command() });
    ends.push(() => running.stop());
    return running;
  };
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

it("has the page, the protos and the licence, and asks for no tool of ours", async () => {
  const described = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
  expect(described.bin).toEqual({ pieza: "server/cli/pieza.js" });
  expect(described).not.toHaveProperty("devDependencies");
  expect(described).not.toHaveProperty("optionalDependencies");
  expect(await readFile(join(installed, "THIRD-PARTY-LICENSES.txt"), "utf8")).toMatch(
    /@connectrpc\/connect .*Apache/,
  );
  for (const file of ["web/dist/index.html", "proto/pieza/v1/peer.proto", "LICENSE", "README.md"]) {
    expect((await readFile(join(installed, file))).length, file).toBeGreaterThan(0);
  }
});
