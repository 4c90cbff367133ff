import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { pieza } from "../../../support/processes/pieza.ts";
import { readTorrentJson } from "../../../support/swarms/local-swarm.ts";

// Processes on a busy machine: what counts is that nothing hangs.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-cli-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (...args: string[]) => pieza(args, { cwd: folder });

const names = [
  "plain.bin",
  "with space and 'quotes' \".txt",
  "50% #1 &a=b+c?.txt",
  "Introducción ñandú.txt",
  "第一课 笔记.txt",
  "Лекция.txt",
  "مرحبا.txt",
  "👩‍🏫 notes.txt",
  "-starts-with-a-dash",
];

it.each(names)("a file named %s is created and found right", async (name) => {
  await writeFile(join(folder, name), `the bytes of ${name}\n`);
  const warning = /["?]/.test(name) ? /^pieza: warning: Windows cannot write .*\n$/ : /^$/;
  expect(await run("create", "--", name)).toMatchObject({ code: 0, stderr: expect.stringMatching(warning) });
  expect((await readTorrentJson(join(folder, `${name}.json`))).file_name).toBe(name);
  expect(await run("verify", "--", `${name}.json`)).toMatchObject({ code: 0, stderr: "" });
});

it("info shows a torrent, and a comment that tries to redraw the terminal does not", async () => {
  await writeFile(join(folder, "shown.txt"), "shown");
  await run("create", "shown.txt", "--comment", "red\x1b[31m\nname: other.txt");
  const { stdout } = await run("info", "shown.txt.json");
  expect(stdout).toContain("size:          5 bytes (5 bytes)\npieces:        1 piece of 1.0 MiB\n");
  expect(stdout).toContain("comment:       red\ufffd[31m\ufffdname: other.txt\n");
});

describe("verify", () => {
  const changes = [
    ["one changed byte", (bytes: Buffer) => Buffer.from(bytes).fill(1, 20_000, 20_001), [2]],
    ["a short file", (bytes: Buffer) => bytes.subarray(0, 40_000), [3, 4]],
    ["a long file", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("x")]), []],
  ] as const;

  it.each(changes)("finds %s, and says which pieces are wrong", async (what, change, wrong) => {
    const path = join(folder, `${what}.bin`);
    const bytes = Buffer.from(Uint8Array.from({ length: 60_000 }, (_, at) => (at * 7) % 251));
    await writeFile(path, bytes);
    await run("create", path, "--piece-length", "16KiB", "-o", `${what}.json`);
    await writeFile(path, change(bytes));
    const { code, events } = await run("verify", `${what}.json`, path, "--json");
    expect(code).toBe(5);
    expect(events.filter(({ event }) => event === "mismatch").map(({ number }) => number)).toEqual(wrong);
    expect(events.at(-1)).toMatchObject({ event: "error", exit_code: 5 });
  });

  it("finds a missing file of a folder and the pieces that it shares with its neighbours", async () => {
    const path = join(folder, "course");
    await mkdir(join(path, "part two"), { recursive: true });
    await writeFile(join(path, "a.txt"), Buffer.alloc(20_000, 1));
    await writeFile(join(path, "empty"), "");
    await writeFile(join(path, "part two", "b.txt"), Buffer.alloc(30_000, 2));
    await symlink("a.txt", join(path, "link"));
    const created = await run("create", path, "--piece-length", "16KiB");
    expect(created).toMatchObject({
      code: 0,
      stderr: "pieza: warning: left out link, which is a link; --follow-links shares what it leads to\n",
    });
    expect(await run("verify", "course.json")).toMatchObject({ code: 0 });
    await rm(join(path, "part two", "b.txt"));
    const { code, stdout, stderr } = await run("verify", "course.json");
    expect(code).toBe(5);
    expect(stdout).toBe("piece 2: missing\npiece 3: missing\npiece 4: missing\n");
    expect(stderr).toContain("part two/b.txt is missing");
  });

  it("learns the piece length of a torrent without one from the file", async () => {
    const path = join(folder, "old.bin");
    await writeFile(
      path,
      Uint8Array.from({ length: 50_001 }, (_, at) => (at * 13) % 257),
    );
    await run("create", path, "--piece-length", "16KiB");
    const { file_name, total_pieces, pieces } = await readTorrentJson(`${path}.json`);
    await writeFile(`${path}.json`, JSON.stringify({ file_name, total_pieces, pieces }));
    expect(await run("verify", "old.bin.json")).toMatchObject({ code: 0 });
    await truncate(path, 40_000);
    expect(await run("verify", "old.bin.json")).toMatchObject({ code: 5 });
  });
});

describe("create", () => {
  it("warns of names that Windows cannot write, and goes on", async () => {
    const path = join(folder, "talks");
    await mkdir(path);
    for (const name of ["12:30.txt", "aux.c", "plain"]) await writeFile(join(path, name), name);
    const { code, stderr } = await run("create", path);
    expect(stderr.split("\n")).toEqual([
      "pieza: warning: Windows cannot write 12:30.txt, whose name contains :",
      "pieza: warning: Windows cannot write aux.c, whose name is a device name there",
      "",
    ]);
    expect(code).toBe(0);
    expect(await run("verify", "talks.json")).toMatchObject({ code: 0 });
  });

  it("writes to standard output, and nothing else there", async () => {
    await writeFile(join(folder, "out.txt"), "out");
    const { code, stdout } = await run("create", "out.txt", "-o", "-", "--comment", "kept as it is");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ file_name: "out.txt", length: 3, comment: "kept as it is" });
  });

  it("makes the same info hash of the same file, whatever is said about it", async () => {
    await writeFile(join(folder, "same.txt"), "same");
    const first = await run("create", "same.txt", "--json");
    const second = await run("create", "same.txt", "--json", "--comment", "x", "--tracker", "http://t.test");
    expect(second.events[0]).toEqual(first.events[0]);
    expect(second.events[0]).toMatchObject({ event: "created", file: "same.txt.json", total_pieces: 1 });
    const json = JSON.parse(await readFile(join(folder, "same.txt.json"), "utf8"));
    expect(json).toMatchObject({ comment: "x", trackers: ["http://t.test"] });
  });
});
