import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { pieza } from "../../../support/processes/pieza.ts";
import { LocalSwarm } from "../../../support/swarms/local-swarm.ts";

// Processes on a busy machine: what counts is that nothing hangs.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const nobody = "http://127.0.0.1:9";
let swarm: LocalSwarm;
let folder: string;
let taken: Server;
let takenPort: string;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  folder = await mkdtemp(join(tmpdir(), "pieza-codes-"));
  await writeFile(swarm.path("lonely"), "nobody serves this");
  await swarm.publish("lonely");
  await writeFile(join(folder, "file.txt"), "right");
  await writeFile(join(folder, "bad.json"), '{"file_name":"a/../b","total_pieces":1,"pieces":[]}');
  await writeFile(join(folder, "page.json"), "<!DOCTYPE html><title>Log in</title>");
  await writeFile(join(folder, "cut.json"), '{"file_name": "a",\n"pieces"');
  await writeFile(join(folder, "old.torrent"), "d8:announce5:http:e");
  await mkdir(join(folder, "empty"));
  await pieza(["create", "file.txt"], { cwd: folder });
  await writeFile(join(folder, "wrong.txt"), "wrong");
  taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  takenPort = String((taken.address() as AddressInfo).port);
});
afterAll(async () => {
  taken.close();
  await swarm.stop();
  await rm(folder, { recursive: true, force: true });
});

const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  pieza(args, {
    cwd: folder,
    env: { PIEZA_CATALOG: swarm.catalogUrl, PIEZA_DATA: join(folder, "data"), ...env },
  });

describe("the exit code", () => {
  it.each<[number, string, string[], RegExp]>([
    [2, "a URL without a host", ["get", "http://"], /http:\/\/ is no URL/],
    [2, "a share link that is cut off", ["get", "http://host.example/#/t/%"], /is not percent-encoded/],
    [0, "after help", ["get", "--help"], /^$/],
    [
      1,
      "for a port in use, with the flag",
      ["tracker", "--port", "TAKEN"],
      /port TAKEN is in use .*--port or PIEZA_PORT/,
    ],
    [1, "for a port in use, of a catalog", ["catalog", "--port", "TAKEN"], /port TAKEN is in use/],
    [2, "for no verb", [], /Usage: pieza/],
    [2, "for an unknown verb", ["fetch"], /there is no verb fetch/],
    [2, "for an unknown flag", ["ls", "--colour"], /there is no option --colour/],
    [2, "for a missing argument", ["create"], /create needs a <path>/],
    [2, "for one argument too many", ["info", "a", "b"], /too many arguments for info: b/],
    [
      2,
      "for a flag's bad value",
      ["get", "lonely", "--give-up-after", "x"],
      /--give-up-after: expected a time/,
    ],
    [2, "for a file that is not there", ["create", "nothing.bin"], /nothing.bin does not exist/],
    [
      2,
      "for a torrent that lies, with the field",
      ["info", "bad.json"],
      /bad.json is not a torrent: file_name/,
    ],
    [2, "for a web page in place of a torrent", ["info", "page.json"], /page.json is a web page, not JSON/],
    [
      2,
      "for what is not JSON, with the place",
      ["info", "cut.json"],
      /cut.json is not JSON: see line 2, column 9/,
    ],
    [2, "for a .torrent file", ["get", "old.torrent"], /old.torrent is a .torrent file of BitTorrent/],
    [
      2,
      "for a torrent that cannot be read",
      ["info", "/proc/self/mem"],
      /cannot read \/proc\/self\/mem: EIO/,
    ],
    [2, "for a magnet link", ["get", "magnet:?xt=urn:btih:0"], /magnet link of BitTorrent/],
    [2, "for a device", ["create", "/dev/null"], /\/dev\/null is neither a file nor a folder/],
    [2, "for a folder without files", ["create", "empty"], /empty: has no files to share/],
    [2, "for a bad piece length", ["create", "file.txt", "--piece-length", "1000"], /piece_length/],
    [
      2,
      "for pieces that do not exist",
      ["peer", "file.txt", "--pieces", "2", "--tracker", nobody],
      /has 1 piece/,
    ],
    [2, "for a path without a torrent", ["peer", "wrong.txt"], /no torrent for wrong.txt; give --torrent/],
    [3, "for a name that the catalog lacks", ["get", "unheard-of"], /unheard-of/],
    [3, "for an info hash that it lacks", ["info", "0".repeat(64)], /./],
    [4, "after --give-up-after", ["get", "lonely", "--give-up-after", "100ms"], /gave up waiting/],
    [
      5,
      "for bytes that are not the torrent's",
      ["verify", "file.txt.json", "wrong.txt"],
      /1 piece of 1 wrong/,
    ],
    [5, "for a file that is missing", ["verify", "file.txt.json", "gone.txt"], /gone.txt is missing/],
    [
      7,
      "for a catalog out of reach",
      ["ls", "--catalog", nobody],
      /cannot reach the catalog at http:\/\/127.0.0.1:9/,
    ],
    [7, "for a tracker out of reach", ["peers", "lonely", "--tracker", nobody], /cannot reach the tracker/],
    [8, "for a missing token", ["publish", "file.txt.json"], /give it with --token or PIEZA_TOKEN/],
    [8, "for a wrong token", ["rm", "lonely", "--token", "x"], /give another with --token or PIEZA_TOKEN/],
    [
      6,
      "for a file that may not be written, with its path",
      ["create", "file.txt", "-o", "/proc/version"],
      /cannot write \/proc\/version: EIO/,
    ],
  ])("is %d %s", async (code, _what, args, stderr) => {
    const ran = await run(args.map((arg) => arg.replace("TAKEN", takenPort)));
    expect(ran.stderr).toMatch(new RegExp(stderr.source.replace("TAKEN", takenPort)));
    expect(ran.code).toBe(code);
  });

  it("is 6 when the disk is full", async () => {
    expect(await run(["create", "file.txt", "-o", "/dev/full"])).toMatchObject({ code: 6 });
  });

  it.each([["SIGINT"], ["SIGTERM"]] as const)("of a waiting get is 130 after %s", async (signal) => {
    const get = swarm.run("waiting", ["get", "lonely.json", "--catalog", swarm.catalogUrl, "-o", signal]);
    await get.line("waiting", (line) => line.event === "progress" && line.state === "waiting");
    get.kill(signal);
    expect(await get.finished(20_000)).toBe(130);
    expect(get.lines.at(-1)).toEqual({
      event: "error",
      code: "error",
      message: "interrupted",
      exit_code: 130,
    });
  });

  it.each([
    ["SIGTERM", 0],
    ["SIGINT", 130],
  ] as const)("of a server after %s is %d", async (signal, code) => {
    const tracker = swarm.run("ended", ["tracker", "--port", "0"]);
    await tracker.url();
    tracker.kill(signal);
    expect(await tracker.finished(20_000)).toBe(code);
  });
});

it("a web page in the place of a server is called one", async () => {
  const portal = createHttpServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!DOCTYPE html><title>Log in</title>");
  }).listen(0, "127.0.0.1");
  await once(portal, "listening");
  const url = `http://127.0.0.1:${(portal.address() as AddressInfo).port}`;
  const page = { stderr: expect.stringMatching(/web page.*; is its URL right, or does this network ask/) };
  expect(await run(["ls", "--catalog", url])).toMatchObject({ code: 7, ...page });
  expect(await run(["peers", "lonely", "--tracker", url])).toMatchObject({ code: 7, ...page });
  expect(await run(["seed", "file.txt", "--port", "0", "--catalog", url])).toMatchObject({
    code: 7,
    ...page,
  });
  expect(await run(["get", `${url}/files/a.json`])).toMatchObject({ code: 2, ...page });
  portal.close();
});

it("an error is the last event for scripts, with the code that the process ends with", async () => {
  const { code, stdout, stderr, events } = await run(["get", "unheard-of", "--json"]);
  expect({ code, stderr, lines: stdout.trim().split("\n").length }).toEqual({
    code: 3,
    stderr: "",
    lines: 1,
  });
  expect(events).toMatchObject([{ event: "error", code: "not_found", exit_code: 3 }]);
  const usage = await run(["get", "--bogus", "--json"]);
  expect(usage.events).toMatchObject([{ event: "error", exit_code: 2 }]);
});
