import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { pieza, type Ran, type RunOptions } from "../../../support/processes/pieza.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../../../support/swarms/local-swarm.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const MIB = 1 << 20;
const entry = fileURLToPath(new URL("../../../../server/cli/pieza.js", import.meta.url));

/** `big.bin`, `small.bin` and `lectures`, a folder, are published and served by one seeder each. */
let swarm: LocalSwarm;
let folders = 0;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  await writeRandomFile(swarm.path("big.bin"), 100 * MIB);
  await writeRandomFile(swarm.path("small.bin"), MIB);
  for (const [path, bytes] of Object.entries({ "a.txt": 40_000, "b/c.pdf": 90_000, "b/d.txt": 20_000 })) {
    await mkdir(join(swarm.path("lectures"), path, ".."), { recursive: true });
    await writeRandomFile(join(swarm.path("lectures"), path), bytes);
  }
  for (const name of ["big.bin", "small.bin", "lectures"]) {
    await swarm.publish(name, ...(name === "lectures" ? ["--piece-length", "16KiB"] : []));
    await swarm.peer(`seeder-${name}`, name);
  }
});
afterAll(() => swarm.stop());

async function workplace() {
  const cwd = swarm.path(`work-${++folders}`);
  await mkdir(cwd);
  const env = {
    PIEZA_CATALOG: swarm.catalogUrl,
    PIEZA_DATA: join(cwd, "data"),
    PIEZA_GIVE_UP_AFTER: "30s",
  };
  const run = (args: string[], options: RunOptions = {}): Promise<Ran> =>
    pieza(args, { cwd, timeoutMs: 100_000, ...options, env: { ...env, ...options.env } });
  return { cwd, run, env };
}

const same = async (path: string, original: string) =>
  expect(await sha256sum(path)).toBe(await sha256sum(swarm.path(original)));

describe("get of several torrents", () => {
  it("brings them all, so many at a time, with events that say of which", async () => {
    const { cwd, run } = await workplace();
    const { code, events } = await run(["get", "big.bin", "small.bin", "lectures", "-j", "2", "--json"]);
    expect(code).toBe(0);
    await same(join(cwd, "big.bin"), "big.bin");
    await same(join(cwd, "small.bin"), "small.bin");
    await same(join(cwd, "lectures/b/c.pdf"), "lectures/b/c.pdf");
    const done = events.filter(({ event }) => event === "done");
    expect(new Set(done.map(({ file }) => file))).toEqual(new Set(["big.bin", "small.bin", "lectures"]));
    const hashes = new Set(done.map((line) => line.info_hash));
    for (const line of events.filter(({ event }) => event === "progress" || event === "peer")) {
      expect(hashes).toContain(line.info_hash);
    }
  });

  it("brings the others when one fails, and ends with its code", async () => {
    const { cwd, run } = await workplace();
    await writeFile(join(cwd, "small.bin"), "mine");
    const { code, stderr } = await run(["get", "small.bin.json", "lectures"]);
    expect(code).toBe(2);
    expect(stderr).toContain("small.bin: small.bin exists already");
    expect(stderr).toContain("1 of 2 downloads failed");
    expect(existsSync(join(cwd, "lectures/a.txt"))).toBe(true);
  });

  it("does not put them all under one name", async () => {
    const { run } = await workplace();
    expect(await run(["get", "big.bin", "small.bin", "-o", "x"])).toMatchObject({ code: 2 });
  });
});

describe("get --select", () => {
  it("brings the files that fit, and the rest later without asking again", async () => {
    const { cwd, run } = await workplace();
    expect((await run(["info", "lectures"])).stdout).toMatch(/^ {2}2 .*b\/c\.pdf$/m);
    const some = await run(["get", "lectures", "--select", "*.txt", "--json"]);
    expect(some.code).toBe(0);
    expect(some.events.at(-1)).toMatchObject({ event: "done", selected_files: ["a.txt", "b/d.txt"] });
    const first = Number(some.events.at(-1)!.downloaded_bytes);
    expect(readdirSync(join(cwd, "lectures/b"))).toEqual(["d.txt"]);
    await same(join(cwd, "lectures/a.txt"), "lectures/a.txt");
    const rest = await run(["get", "lectures", "--json"]);
    expect(rest.code).toBe(0);
    expect(rest.events.at(-1)!.downloaded_bytes).toBe(150_000 - first);
    for (const path of ["a.txt", "b/c.pdf", "b/d.txt"])
      await same(join(cwd, "lectures", path), `lectures/${path}`);
    expect(readdirSync(cwd).sort()).toEqual(["data", "lectures"]);
  });

  it("ends with 2 for what fits nothing, and for what is no folder", async () => {
    const { run } = await workplace();
    const nothing = await run(["get", "lectures", "--select", "*.mp3"]);
    expect(nothing).toMatchObject({ code: 2 });
    expect(nothing.stderr).toContain('--select: "*.mp3" fits no file');
    expect(await run(["get", "small.bin", "--select", "1"])).toMatchObject({ code: 2 });
  });
});

describe("get -o -", () => {
  it("streams in order while it downloads, at the reader's pace, with no file on the disk", async () => {
    const { cwd, env } = await workplace();
    const child = spawn(process.execPath, [entry, "get", "big.bin", "-o", "-", "-q"], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = new Promise((resolve) => child.once("close", resolve));
    const hash = createHash("sha256");
    let length = 0;
    let paused = false;
    for await (const chunk of child.stdout) {
      hash.update(chunk);
      length += chunk.length;
      if (paused || length < MIB) continue;
      // Whoever has seen the first bytes takes a rest: what is written to the disk meanwhile is the record alone.
      paused = true;
      await vi.waitFor(
        async () => {
          const { stdout } = await pieza(["status", "--json"], { cwd, env });
          expect(stdout).toContain('"state":"downloading"');
          expect(Number(JSON.parse(stdout).held_bytes)).toBeGreaterThanOrEqual(30 * MIB);
          expect(Number(JSON.parse(stdout).held_bytes)).toBeLessThanOrEqual(40 * MIB);
        },
        { timeout: 30_000 },
      );
      expect(readdirSync(join(cwd, "data"))).toEqual(["downloads"]);
      expect(readdirSync(cwd)).toEqual(["data"]);
    }
    expect(await exit).toBe(0);
    expect(length).toBe(100 * MIB);
    expect(hash.digest("hex")).toBe(await sha256sum(swarm.path("big.bin")));
  });

  it("writes one selected file of a folder", async () => {
    const { cwd, run } = await workplace();
    const { code, stdout } = await run(["get", "lectures", "--select", "1", "-o", "-", "-q"]);
    expect(code).toBe(0);
    expect(stdout).toBe(await readFile(swarm.path("lectures/a.txt"), "utf8"));
    expect(readdirSync(cwd)).toEqual(["data"]);
  });

  it("ends with 2 for a whole folder, and where something should be served afterwards", async () => {
    const { run } = await workplace();
    expect((await run(["get", "lectures", "-o", "-"])).stderr).toContain("--select one file of it");
    expect(await run(["get", "small.bin", "-o", "-", "--seed-after", "1s"])).toMatchObject({ code: 2 });
  });
});
