import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { pieza, type Ran } from "../../../support/processes/pieza.ts";
import { LocalSwarm } from "../../../support/swarms/local-swarm.ts";

// Processes on a busy machine: what counts is that nothing hangs.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** One tracker and one catalog for all tests. */
let swarm: LocalSwarm;
let folders = 0;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
});
afterAll(() => swarm.stop());

/** A new empty folder, and how to run verbs in it, without the token. */
async function emptyFolder() {
  const cwd = swarm.path(`work-${++folders}`);
  await mkdir(cwd);
  const mine = { PIEZA_CATALOG: swarm.catalogUrl, PIEZA_DATA: swarm.path("data-mine") };
  const run = (args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> =>
    pieza(args, { cwd, env: { ...mine, ...env } });
  return { cwd, run };
}

const withToken = { PIEZA_TOKEN: "a-token-for-tests-only" };

describe("seed", () => {
  /** Runs `seed` on a file, which is not hashed if the run fails before. */
  async function seed(flags: readonly string[], env?: NodeJS.ProcessEnv) {
    const { cwd, run } = await emptyFolder();
    await writeFile(join(cwd, "early.txt"), "early");
    const ran = await run(["seed", "early.txt", "--json", ...flags], env);
    return { ...ran, hashed: ran.events.some(({ event }) => event === "created") };
  }

  it.each([
    [
      "a catalog that is away",
      7,
      ["--port", "0", "--catalog", "http://127.0.0.1:1", "--tracker", "http://127.0.0.1:1"],
    ],
    ["no token", 8, ["--port", "0"]],
    ["a wrong token", 8, ["--port", "0", "--token", "guessed"]],
    ["a second path that does not exist", 2, ["missing.txt", "--port", "0"]],
  ])("fails before it hashes because of %s", async (_what, code, flags) => {
    expect(await seed(flags)).toMatchObject({ code, hashed: false });
  });

  it("fails before it hashes because its port is taken, and because of an inventory that cannot be read", async () => {
    const { port } = new URL(swarm.catalogUrl);
    expect(await seed(["--port", port], withToken)).toMatchObject({ code: 1, hashed: false });
    const inventory = ["--port", "0", "--inventory", "missing.json"];
    expect(await seed(inventory, withToken)).toMatchObject({ code: 2, hashed: false });
  });

  it("is not named by the tracker before it serves what it has hashed", async () => {
    const { cwd } = await emptyFolder();
    await writeFile(join(cwd, "large.bin"), Buffer.alloc(64 << 20, 7));
    const flags = ["--port", "0", "--catalog", swarm.catalogUrl, "--replace"];
    const seed = swarm.run("large", ["seed", join(cwd, "large.bin"), ...flags]);
    await seed.line("listed", (line) => line.event === "announced" && line.listed === true);
    const events = seed.lines.map(({ event }) => event);
    expect(events.indexOf("seeding")).toBeGreaterThan(events.indexOf("created"));
    expect(events.indexOf("announced")).toBeGreaterThan(events.indexOf("seeding"));
  });

  it("shares what links lead to with --follow-links, and leaves out what --exclude names", async () => {
    const { cwd, run } = await emptyFolder();
    await mkdir(join(cwd, "snapshot"));
    await mkdir(join(cwd, "blobs"));
    await writeFile(join(cwd, "blobs", "c0ffee"), "weights");
    await symlink("../blobs/c0ffee", join(cwd, "snapshot", "model.bin"));
    await writeFile(join(cwd, "snapshot", "notes.tmp"), "temporary");
    const flags = ["--port", "0", "--catalog", swarm.catalogUrl, "--follow-links", "--exclude", "*.tmp"];
    const seed = swarm.run("seeder", ["seed", join(cwd, "snapshot"), ...flags]);
    await seed.line("listed", (line) => line.event === "announced" && line.listed === true);
    expect(await run(["get", "snapshot.json", "-d", "got"])).toMatchObject({ code: 0 });
    expect(await readFile(join(cwd, "got", "snapshot", "model.bin"), "utf8")).toBe("weights");
    expect(await readdir(join(cwd, "got", "snapshot"))).toEqual(["model.bin"]);
    expect(await run(["verify", "snapshot.json"])).toMatchObject({ code: 0 });
  });

  it("announces once to a tracker that is named with and without a final slash", async () => {
    const { cwd } = await emptyFolder();
    await writeFile(join(cwd, "slash.txt"), "slash");
    const [, tracker] = swarm.trackerFlag;
    const created = [
      "create",
      join(cwd, "slash.txt"),
      "-o",
      join(cwd, "slash.txt.json"),
      "--tracker",
      tracker!,
    ];
    await swarm.done("slash", created);
    const torrent = JSON.parse(await readFile(join(cwd, "slash.txt.json"), "utf8"));
    await writeFile(join(cwd, "slash.txt.json"), JSON.stringify({ ...torrent, trackers: [`${tracker}/`] }));
    const peer = swarm.run("slash", ["peer", join(cwd, "slash.txt"), "--port", "0", "--tracker", tracker!]);
    await peer.line("listed", (line) => line.event === "announced" && line.listed === true);
    const announced = peer.lines.filter(({ event }) => event === "announced");
    expect(announced.map((line) => line.tracker)).toEqual([tracker]);
  });
});
