import { execFileSync } from "node:child_process";
import { copyFile, mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, get as httpGet, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseJournal } from "#core/ports/journal.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import { storePaths } from "../../server/peer/stores/store-paths.ts";
import type { PiezaProcess } from "../support/processes/pieza-process.ts";
import {
  LocalSwarm,
  readTorrentJson,
  sent,
  sentInAll,
  sha256sum,
  writeRandomFile,
} from "../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const PIECES = 32;
const name = "file.bin";
/** Pieces of 1 MiB that a download may have under way at one peer. */
const PIPELINE = 16;
/** So slow that there is time to do something to a download. */
const SLOW = ["--limit-upload", "8MiB"];

let swarm: LocalSwarm;
const ends: (() => unknown)[] = [];
beforeEach(async () => {
  swarm = await LocalSwarm.start();
  await writeRandomFile(swarm.path(name), PIECES * MiB);
  await swarm.publish(name, "--piece-length", "1MiB");
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await swarm.stop();
});

const getArgs = (out = "got.bin") => [
  "get",
  swarm.path(`${name}.json`),
  "-o",
  swarm.path(out),
  ...swarm.trackerFlag,
];
const startGet = (within: readonly string[] = [], out?: string) =>
  swarm.run("leecher", getArgs(out), {}, within);
const underLimit = (limit: string) => ["bash", "-c", `ulimit ${limit}; exec "$@"`, "bash"];

async function expectWhole(out = "got.bin"): Promise<void> {
  expect(await sha256sum(swarm.path(out))).toBe(await sha256sum(swarm.path(name)));
}

/** The numbers of the pieces that a download which has ended early left in its journal. */
async function recordedNumbers(out: string): Promise<number[]> {
  const { info_hash } = await readTorrentJson(swarm.path(`${name}.json`));
  const journal = await readFile(storePaths(swarm.path(out), info_hash).journal);
  const state = parseJournal(journal, info_hash, new PieceGeometry(PIECES * MiB, MiB));
  return [...state!.pieces.keys()].map((index) => index + 1);
}

/** The last event, which says why it ended. */
const lastOf = (process: PiezaProcess) => process.lines.at(-1);

describe("a download", () => {
  it("that is killed three times asks again only for what was on its way, and leaves nothing but the file", async () => {
    const seeder = await swarm.peer("seeder", name, undefined, "0", ...SLOW);
    for (let kill = 1; kill <= 3; kill++) {
      const before = sent(seeder).length;
      const get = startGet();
      await seeder.until("pieces sent", () => sent(seeder).length >= before + 5);
      get.kill("SIGKILL");
      await get.exit;
      expect(await readdir(swarm.folder)).not.toContain("got.bin");
    }
    const last = startGet();
    expect(await last.finished(60_000), last.text).toBe(0);
    await expectWhole();
    expect(sent(seeder).length).toBeLessThanOrEqual(PIECES + 3 * PIPELINE);
    const left = (await readdir(swarm.folder)).filter((entry) => entry.startsWith("."));
    expect(left, "working files").toEqual([]);
  });

  it("waits for its last holder, which was killed, and goes on when that is back", async () => {
    const seeder = await swarm.peer("seeder", name, undefined, "0", ...SLOW);
    const { port } = new URL(await seeder.url());
    const get = startGet();
    await seeder.until("pieces sent", () => sent(seeder).length >= 10);
    await seeder.stop();
    await get.line("waiting", (line) => line.event === "progress" && line.state === "waiting");
    const again = await swarm.peer("seeder", name, undefined, port);
    expect(await get.finished(60_000), get.text).toBe(0);
    await expectWhole();
    expect(sent(again).length).toBeLessThanOrEqual(PIECES - 10 + PIPELINE);
  });

  it("goes on without peers that are there and silent, and with them when they speak again", async () => {
    const peers = [await swarm.peer("a", name, "1-24", "0", ...SLOW), await swarm.peer("b", name, "9-32")];
    const get = startGet();
    await peers[0]!.until("pieces sent", () => sent(peers[0]!).length >= 3);
    for (const peer of peers) peer.kill("SIGSTOP");
    await setTimeout(3_000);
    peers[1]!.kill("SIGCONT");
    await setTimeout(1_000);
    peers[0]!.kill("SIGCONT");
    expect(await get.finished(120_000), get.text).toBe(0);
    await expectWhole();
  });

  it("of which another process has the target ends and names that process; the other is not disturbed", async () => {
    const seeder = await swarm.peer("seeder", name, undefined, "0", ...SLOW);
    const first = startGet();
    await seeder.until("pieces sent", () => sent(seeder).length >= 3);
    const second = swarm.run("second", getArgs());
    expect(await second.finished(20_000)).not.toBe(0);
    expect(lastOf(second)?.message).toBe(`got.bin is in use by the process ${first.pid}`);
    expect(await first.finished(60_000), first.text).toBe(0);
    await expectWhole();
  });
});

it("a file that changes under its seeder costs the changed pieces only, and nobody is banned for it", async () => {
  const rotten = await swarm.peer("rotten", name, undefined, "0", ...SLOW);
  const copy = swarm.path("copy.bin");
  await copyFile(swarm.path(name), copy);
  const torrent = swarm.path(`${name}.json`);
  const honestArgs = ["peer", copy, "--torrent", torrent, "--pieces", "1-8", "--port", "0"];
  const honest = swarm.run("honest", [...honestArgs, ...swarm.trackerFlag]);
  await honest.url();
  const whole = await sha256sum(swarm.path(name));
  const file = await open(swarm.path(name), "r+");
  ends.push(() => file.close());
  await file.write(Buffer.from("spoilt"), 0, 6, 5 * MiB);
  const get = startGet();
  expect(await get.finished(60_000), get.text).toBe(0);
  expect(await sha256sum(swarm.path("got.bin"))).toBe(whole);
  expect(sent(rotten)).not.toContain(6);
  expect(sent(rotten).length).toBeGreaterThan(20);
  expect(sent(honest)).toContain(6);
  expect(get.lines.filter(({ state }) => state === "banned")).toEqual([]);
});

it("processes whose wall clocks jump and stand still do not notice", async () => {
  const jumping = new URL("../support/jumping-date.ts", import.meta.url).href;
  await swarm.stop();
  swarm = await LocalSwarm.start({ NODE_OPTIONS: `--import ${jumping}` });
  await writeRandomFile(swarm.path(name), PIECES * MiB);
  await swarm.publish(name, "--piece-length", "1MiB");
  const seeder = await swarm.peer("seeder", name, undefined, "0", ...SLOW);
  const get = startGet();
  expect(await get.finished(60_000), get.text).toBe(0);
  await expectWhole();
  expect(sent(seeder).length).toBeLessThanOrEqual(PIECES * 1.1);
});

describe("a disk", () => {
  it("that is full ends the download with 6; when there is room it goes on, and asks for no piece again", async () => {
    const disk = swarm.path("disk");
    await mkdir(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", disk]);
    ends.push(() => execFileSync("umount", ["-l", disk]));
    const seeder = await swarm.peer("seeder", name, undefined, "0", ...SLOW);
    const first = startGet([], "disk/got.bin");
    await seeder.until("pieces sent", () => sent(seeder).length >= 5);
    await writeFile(`${disk}/ballast`, new Uint8Array(24 * MiB)).catch(() => {});
    expect(await first.finished(60_000), first.text).toBe(6);
    expect(lastOf(first)?.message).toContain("no space is left on the disk");
    const recorded = await recordedNumbers("disk/got.bin");
    expect(recorded.length).toBeGreaterThan(3);
    const before = await sentInAll(seeder);
    await rm(`${disk}/ballast`);
    const second = startGet([], "disk/got.bin");
    expect(await second.finished(60_000), second.text).toBe(0);
    await expectWhole("disk/got.bin");
    const askedAgain = sent(seeder).slice(before);
    expect(askedAgain.filter((number) => recorded.includes(number))).toEqual([]);
    expect(askedAgain.length).toBe(PIECES - recorded.length);
  });

  it("that takes no file so large, or none at all, ends the download with 6 and says so", async () => {
    await swarm.peer("seeder", name);
    const small = startGet(underLimit("-f 16384"));
    expect(await small.finished(20_000), small.text).toBe(6);
    expect(lastOf(small)?.message).toContain("the file is larger than is allowed here");

    const disk = swarm.path("read-only");
    await mkdir(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", disk]);
    ends.push(() => execFileSync("umount", ["-l", disk]));
    const none = startGet([], "read-only/got.bin");
    expect(await none.finished(20_000), none.text).toBe(6);
    expect(lastOf(none)?.message).toContain("the disk is read-only");
  });
});

it("a process that may have only 64 files open downloads all the same", async () => {
  await swarm.peer("a", name, "1-24");
  await swarm.peer("b", name, "9-32");
  const get = startGet(underLimit("-n 64"));
  expect(await get.finished(60_000), get.text).toBe(0);
  await expectWhole();
});

describe("a catalog that", () => {
  const answers: Record<string, (response: import("node:http").ServerResponse) => void> = {
    fails: (response) => response.writeHead(500).end("oops"),
    "answers a web page": (response) =>
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>hi"),
    "hangs up": (response) => response.destroy(),
    "says nothing": () => {},
  };
  it.each(Object.keys(answers))("%s is told of in words, with a code for scripts", async (what) => {
    const url = await listening(createServer((_, response) => answers[what]!(response)));
    const get = swarm.run("leecher", ["get", "anything", "--catalog", url, "-o", swarm.path("got.bin")]);
    // A large torrent from afar may take a minute and a half.
    expect(await get.finished(120_000), get.text).toBeGreaterThan(0);
    expect(lastOf(get)).toMatchObject({ event: "error" });
    expect(get.text).not.toMatch(/\\n {4}at /);
  });

  async function listening(server: Server): Promise<string> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ends.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
});

it("a peer told to stop while 100 callers read finishes every answer, leaves the swarm and ends with 0", async () => {
  const seeder = await swarm.peer("seeder", name);
  const { info_hash } = await readTorrentJson(swarm.path(`${name}.json`));
  const url = await seeder.url();
  const whole = await readFile(swarm.path(name));
  // Each begins to read, and reads on only after the peer was told to stop: its part does not fit into the sockets.
  const open = Array.from({ length: 100 }, (_, n) =>
    startReading(`${url}/pieces/${info_hash}/${(n % PIECES) + 1}`),
  );
  const answers = await Promise.all(open);
  const served = answers.filter(({ statusCode }) => statusCode === 200);
  expect(served.length).toBeGreaterThan(20);
  seeder.kill("SIGTERM");
  for (const [n, answer] of answers.entries()) {
    const parts: Buffer[] = [];
    for await (const part of answer) parts.push(part);
    if (answer.statusCode !== 200) continue;
    const start = (n % PIECES) * MiB;
    expect(Buffer.compare(Buffer.concat(parts), whole.subarray(start, start + MiB)), `answer ${n}`).toBe(0);
  }
  expect(await seeder.finished(20_000), seeder.text).toBe(0);
  const located = await fetch(`${swarm.trackerUrl}/pieza.v1.TrackerService/LocatePieces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ info_hash }),
    signal: AbortSignal.timeout(5_000),
  });
  expect(await located.text(), "what the tracker says then").not.toContain(url);
});

function startReading(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpGet(url, { agent: false }, (answer) => {
      answer.pause();
      resolve(answer);
    }).on("error", reject);
  });
}
