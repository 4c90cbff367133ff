import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { outerAddress } from "../../../../server/http/base/outer-address.ts";
import { pieza, type Ran, type RunOptions } from "../../../support/processes/pieza.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../../../support/swarms/local-swarm.ts";

// Processes on a busy machine: what counts is that nothing hangs.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** One tracker, one catalog and one seeder for all tests; `notes` and `movie.bin` are published. */
let swarm: LocalSwarm;
let env: NodeJS.ProcessEnv;
let folders = 0;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  await writeFile(swarm.path("notes"), "notes\n");
  await writeRandomFile(swarm.path("movie.bin"), 3_000_000);
  env = {
    PIEZA_CATALOG: swarm.catalogUrl,
    PIEZA_DATA: swarm.path("data-mine"),
    PIEZA_GIVE_UP_AFTER: "15s",
  };
  for (const name of ["notes", "movie.bin"]) {
    await swarm.publish(name);
    await swarm.peer(`seeder-${name}`, name);
  }
});
afterAll(() => swarm.stop());

/** A new empty folder, and how to run verbs in it. */
async function emptyFolder() {
  const cwd = swarm.path(`work-${++folders}`);
  await mkdir(cwd);
  const run = (args: string[], options: RunOptions = {}): Promise<Ran> =>
    pieza(args, { cwd, ...options, env: { ...env, ...options.env } });
  return { cwd, run };
}

const withToken = { env: { PIEZA_TOKEN: "a-token-for-tests-only" } };

describe("status of a torrent", () => {
  it("says how many copies its pieces have, and how many are wanted", async () => {
    const { run } = await emptyFolder();
    const { code, events } = await run(["status", "movie.bin", "--json"]);
    expect(code).toBe(0);
    expect(events).toMatchObject([
      {
        event: "swarm",
        total_pieces: 3,
        replication_target: 0,
        pieces_by_copies: [0, 3],
        orders: [],
        peers: [{ held_pieces: 3, listed: true, draining: false, volunteer: false }],
      },
    ]);
    const { stdout } = await run(["status", "movie.bin"]);
    expect(stdout).toMatch(/^movie\.bin: 3 pieces, 1 peer, by http/);
    expect(stdout).toMatch(/^3 pieces with 1 copy$/m);
  });

  it("ends with 3 for one that nobody has", async () => {
    const { run } = await emptyFolder();
    const { code } = await run(["status", "no-such-torrent"]);
    expect(code).toBe(3);
  });
});

describe("get", () => {
  it("asks for a name when there is none, and takes it with .json", async () => {
    const { cwd, run } = await emptyFolder();
    const { code, stdout } = await run(["get"], { input: "notes.json\n" });
    expect(stdout).toMatch(/^Download File: /);
    expect(stdout).toMatch(/notes: 6 bytes in .* from 1 peer, .*0 bytes wasted\n$/);
    expect(code).toBe(0);
    expect(await readFile(join(cwd, "notes"), "utf8")).toBe("notes\n");
  });

  it("asks for a catalog's name, whatever files there are here", async () => {
    const { cwd, run } = await emptyFolder();
    await writeFile(join(cwd, "notes.json"), "{}");
    expect(await run(["get"], { input: "notes.json\n" })).toMatchObject({ code: 0 });
  });

  it("ends with 2 when nobody answers", async () => {
    const { run } = await emptyFolder();
    expect(await run(["get"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no name was given"),
    });
  });

  it("prefers a torrent here to a name in the catalog, and takes a finished download for no torrent", async () => {
    const { cwd, run } = await emptyFolder();
    await writeFile(join(cwd, "notes"), await readFile(swarm.path("movie.bin.json")));
    expect(await run(["get", "notes"])).toMatchObject({ code: 0 });
    expect(await sha256sum(join(cwd, "movie.bin"))).toBe(await sha256sum(swarm.path("movie.bin")));
    const again = await run(["get", "movie.bin"]);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("from 0 peers") });
  });

  it.each(["connect", "grpc"])("downloads bit for bit over %s, and tells scripts how", async (transport) => {
    const { cwd, run } = await emptyFolder();
    const { code, events } = await run(["get", "movie.bin", "--transport", transport, "--json", "-d", "a/b"]);
    expect(code).toBe(0);
    expect(await sha256sum(join(cwd, "a/b/movie.bin"))).toBe(await sha256sum(swarm.path("movie.bin")));
    expect(new Set(events.map(({ event }) => event))).toEqual(new Set(["peer", "progress", "done"]));
    const done = events.at(-1)!;
    expect(done).toMatchObject({ event: "done", file: "a/b/movie.bin", bytes: 3_000_000, wasted_bytes: 0 });
    expect(done.peers).toMatchObject([{ transport, served_pieces: 3, served_bytes: 3_000_000 }]);
  });

  it("takes an info hash, a page's link and the URL of the JSON", async () => {
    const { run } = await emptyFolder();
    const [torrent] = (await run(["info", "notes", "--json"])).events;
    const hash = String(torrent!.info_hash);
    const ways = [
      hash.toUpperCase(),
      `${swarm.catalogUrl}/#/t/notes`,
      `${swarm.catalogUrl}/files/notes.json`,
    ];
    for (const [n, way] of ways.entries()) {
      const elsewhere = { env: { PIEZA_CATALOG: n === 0 ? swarm.catalogUrl : "http://127.0.0.1:9" } };
      expect(await run(["get", way, "-o", `notes-${n}`], elsewhere)).toMatchObject({ code: 0 });
    }
  });

  it("writes to standard output, and nothing but the file", async () => {
    const { run } = await emptyFolder();
    const { code, stdout, stderr } = await run(["get", "notes", "-o", "-", "--json"]);
    expect(stdout).toBe("notes\n");
    expect(stderr).toContain('{"event":"done"');
    expect(code).toBe(0);
  });

  it("does not overwrite a file unless it is told to", async () => {
    const { cwd, run } = await emptyFolder();
    await writeFile(join(cwd, "mine"), "mine");
    expect(await run(["get", "notes", "-o", "mine"])).toMatchObject({ code: 2 });
    expect(await readFile(join(cwd, "mine"), "utf8")).toBe("mine");
    expect(await run(["get", "notes", "-o", "mine", "--replace"])).toMatchObject({ code: 0 });
    expect(await readFile(join(cwd, "mine"), "utf8")).toBe("notes\n");
  });

  it("goes on serving with --seed-after, and ends well when it is told to", async () => {
    const { cwd, run } = await emptyFolder();
    await writeFile(join(cwd, "rare"), "rare");
    await run(["create", "rare", "--tracker", swarm.trackerUrl]);
    const peer = swarm.run("first", ["peer", join(cwd, "rare"), "--port", "0"]);
    await peer.line("listed", (line) => line.event === "announced" && line.listed === true);
    const torrent = join(cwd, "rare.json");
    const seeding = swarm.run("second", ["get", torrent, "-o", join(cwd, "second"), "--seed-after", "1h"]);
    await seeding.line("done", (line) => line.event === "done");
    peer.kill("SIGTERM");
    expect(await peer.finished(20_000)).toBe(0);
    expect(await run(["get", torrent, "-o", "third"])).toMatchObject({ code: 0 });
    seeding.kill("SIGINT");
    expect(await seeding.finished(20_000)).toBe(0);
  });

  it("prints nothing with --quiet, and plain lines without a terminal", async () => {
    const { run } = await emptyFolder();
    expect(await run(["get", "notes", "-q", "-o", "quiet"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "",
    });
    const { stderr } = await run(["get", "movie.bin", "-o", "plain"]);
    expect(stderr).toContain("movie.bin");
    expect(stderr).not.toContain("\x1b");
  });
});

describe("a catalog's entries", () => {
  it("are listed, filtered and found with their peers", async () => {
    const { run } = await emptyFolder();
    const all = await run(["ls", "--json"]);
    expect(all.events.map(({ name }) => name)).toEqual(expect.arrayContaining(["movie.bin", "notes"]));
    expect((await run(["ls", "movie"])).stdout).toMatch(/^NAME .*\nmovie.bin {2} *2.9 MiB {2} *3 {2}/);
    const peers = await run(["peers", "movie.bin", "--json"]);
    expect(peers.events).toMatchObject([{ event: "peer", held_pieces: 3, total_pieces: 3, complete: true }]);
  });

  it("are published under the JSON's stem once, and removed", async () => {
    const { cwd, run } = await emptyFolder();
    await writeFile(join(cwd, "page one.txt"), "one");
    await run(["create", "page one.txt", "-o", "first.json"]);
    const first = await run(["publish", "first.json", "--json"], withToken);
    expect(first.events).toMatchObject([{ event: "published", name: "first", changed: true }]);
    const again = await run(["publish", "first.json", "--json"], withToken);
    expect(again.events).toMatchObject([{ event: "published", name: "first", changed: false }]);
    expect(await run(["rm", "first"], withToken)).toMatchObject({ code: 0 });
    expect(await run(["info", "first"])).toMatchObject({ code: 3 });
  });

  it("keep a name for its first torrent: publishing and seeding another end with 2, --replace moves it", async () => {
    const { cwd, run } = await emptyFolder();
    await writeFile(join(cwd, "taken.txt"), "first");
    await run(["create", "taken.txt"]);
    expect(await run(["publish", "taken.txt.json", "--name", "taken.txt"], withToken)).toMatchObject({
      code: 0,
    });
    await writeFile(join(cwd, "taken.txt"), "second");
    const seed = await run(["seed", "taken.txt", "--port", "0"], withToken);
    expect(seed).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/taken\.txt is taken .*; --replace replaces it/),
    });
    await run(["create", "taken.txt"]);
    const publish = ["publish", "taken.txt.json", "--name", "taken.txt"];
    expect(await run(publish, withToken)).toMatchObject({ code: 2 });
    expect(await run([...publish, "--replace"], withToken)).toMatchObject({ code: 0 });
  });

  it("take no change without the token, or with a wrong one", async () => {
    const { run } = await emptyFolder();
    expect(await run(["rm", "notes"])).toMatchObject({ code: 8 });
    expect(await run(["rm", "notes", "--token", "guessed"])).toMatchObject({ code: 8 });
    expect(await run(["info", "notes"])).toMatchObject({ code: 0 });
  });
});

describe("peer", () => {
  it("holds what a legacy inventory lists, of a torrent in the legacy form", async () => {
    const { cwd, run } = await emptyFolder();
    const fixtures = join(import.meta.dirname, "../../../../fixtures");
    const { silentMp3 } = await import("../../../../server/cli/demo/demo-files.ts");
    await writeFile(join(cwd, "shakira.mp3"), [...silentMp3()]);
    const flags = ["--torrent", join(fixtures, "shakira.json"), "--port", "0", ...swarm.trackerFlag];
    for (const n of [1, 2]) {
      const part = ["--inventory", join(fixtures, `peer-${n}.json`)];
      const peer = swarm.run(`peer-${n}`, ["peer", join(cwd, "shakira.mp3"), ...flags, ...part]);
      expect(await peer.line("serving", (line) => line.event === "seeding")).toMatchObject({
        held_pieces: 3,
      });
      await peer.line("listed", (line) => line.event === "announced" && line.listed === true);
    }
    const get = await run(["get", join(fixtures, "shakira.json"), "-o", "got.mp3", ...swarm.trackerFlag]);
    expect(get).toMatchObject({ code: 0 });
    expect(get.stdout + get.stderr).toContain("from 2 peers");
    expect(get.stdout + get.stderr).not.toContain("had been downloaded before");
    expect(await sha256sum(join(cwd, "got.mp3"))).toBe(await sha256sum(join(cwd, "shakira.mp3")));
  });

  it("is named at the one address that it is bound to, by a tracker on its machine", async () => {
    const address = outerAddress("0.0.0.0");
    const type =
      "ip link add dummy0 type dummy; ip address add 10.9.9.9/24 dev dummy0; ip link set dummy0 up";
    if (!address) throw new Error(`this machine has no address for others; as root on Linux, ${type}`);
    const { cwd } = await emptyFolder();
    await writeFile(join(cwd, "bound.txt"), "bound");
    await swarm.done("bound", ["create", join(cwd, "bound.txt"), "-o", join(cwd, "bound.txt.json")]);
    const allowing = swarm.run("allowing", ["tracker", "--port", "0", "--allow-network", `${address}/32`]);
    const where = ["--host", address, "--port", "0", "--tracker", await allowing.url()];
    const peer = swarm.run("bound", ["peer", join(cwd, "bound.txt"), ...where]);
    const announced = await peer.line("listed", (line) => line.event === "announced" && line.listed === true);
    expect(announced.url).toBe(await peer.url());
    expect(announced.url).toContain(address);
  });

  it("serves in place what `seed` publishes, and leaves at SIGTERM with 0", async () => {
    const { cwd, run } = await emptyFolder();
    await mkdir(join(cwd, "mine"));
    const path = join(cwd, "mine", "lesson.txt");
    await writeFile(path, "lesson");
    const seed = swarm.run("seeder", ["seed", path, "--port", "0", "--catalog", swarm.catalogUrl]);
    await seed.url();
    await seed.line("listed", (line) => line.event === "announced" && line.listed === true);
    expect(await run(["get", "lesson.txt"])).toMatchObject({ code: 0 });
    seed.kill("SIGTERM");
    expect(await seed.finished(20_000)).toBe(0);
    expect((await run(["peers", "lesson.txt.json"])).stdout).toBe("");
  });
});
