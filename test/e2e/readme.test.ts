import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { root } from "../../scripts/run-command.ts";
import { type readTorrentJson, sha256sum } from "../support/swarms/local-swarm.ts";

const run = promisify(execFile);

let commands: string[];
let curls: string[];
let folder: string;
let env: NodeJS.ProcessEnv;
let up: ChildProcess;
let ready: {
  catalog: string;
  tracker: string;
  page: string;
  gateway: string;
  content: string;
  peers: { pid: number }[];
};

/** The lines of the README's shell blocks, comments left out. */
async function shellBlocks(): Promise<string[][]> {
  const readme = await readFile(join(root, "README.md"), "utf8");
  return [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) =>
    block!
      .trim()
      .split("\n")
      .map((line) => line.replace(/\s+#.*$/, "")),
  );
}

/** Runs `npm start` as written, on free ports; `npm ci` has been done, or this test would not run. */
beforeAll(async () => {
  [commands, curls] = (await shellBlocks()) as [string[], string[]];
  folder = await mkdtemp(join(tmpdir(), "pieza-readme-"));
  const ports = {
    PIEZA_TRACKER_PORT: "0",
    PIEZA_CATALOG_PORT: "0",
    PIEZA_GATEWAY_PORT: "0",
    PIEZA_PEER_PORT: "0",
  };
  env = { ...process.env, PIEZA_DATA: join(folder, "data"), PIEZA_JSON: "1" };
  const start = commands[0]!.replace(/^npm ci && /, "");
  expect(start).toBe("npm start");
  up = spawn("sh", ["-c", start], {
    cwd: root,
    env: { ...env, ...ports },
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  ready = await readyEvent(up);
});
afterAll(async () => {
  if (up.exitCode === null) {
    process.kill(-up.pid!, "SIGINT");
    await once(up, "close");
  }
  await rm(folder, { recursive: true, force: true });
});

async function readyEvent(child: ChildProcess): Promise<typeof ready> {
  for await (const line of createInterface({ input: child.stdout!, signal: AbortSignal.timeout(60_000) })) {
    const event = line.startsWith("{") ? JSON.parse(line) : {};
    if (event.event === "ready") {
      child.stdout!.resume();
      return event;
    }
  }
  throw new Error("npm start ended, or said nothing for 60 s, before it was ready");
}

it("starts a tracker, a catalog with the page, and four peers", async () => {
  expect(ready.peers).toHaveLength(4);
  const page = await fetch(ready.page, { headers: { accept: "text/html" } });
  expect(await page.text()).toContain("<!doctype html>");
});

it("downloads the file of the second command", async () => {
  const get = commands[1]!;
  expect(get).toMatch(/^npm run -s pieza -- get \S+$/);
  await run("sh", ["-c", `${get} -d ${folder}`], {
    cwd: root,
    env: { ...env, PIEZA_CATALOG: ready.catalog },
  });
  const [name] = (await readdir(folder)).filter((entry) => entry !== "data");
  expect(await sha256sum(join(folder, name!))).toMatch(/^[0-9a-f]{64}$/);
  const torrent = await (await fetch(`${ready.catalog}/files/${get.split(" ").at(-1)}.json`)).json();
  expect(name).toBe((torrent as Awaited<ReturnType<typeof readTorrentJson>>).file_name);
});

it("gives the file of the third command, at the URL that it prints too", async () => {
  const curl = commands[2]!;
  expect(curl).toMatch(/^curl -O http:/);
  const here = curl.replace("http://127.0.0.1:8090", ready.gateway);
  expect(here.split(" ").at(-1)).toBe(ready.content);
  const at = join(folder, "by-curl.bin");
  await run("sh", ["-c", here.replace("-O", `-sS --fail -o ${at}`)]);
  expect(await sha256sum(at)).toBe(await sha256sum(join(folder, "data/demo/files/ocean-64MiB.bin")));
});

it("answers the curl lines", async () => {
  expect(curls.length).toBeGreaterThan(0);
  for (const line of curls) {
    const here = line
      .replace("http://127.0.0.1:8080", ready.catalog)
      .replace("http://127.0.0.1:50050", ready.tracker);
    expect(here).not.toBe(line);
    const { stdout } = await run("sh", ["-c", here.replace("curl -s", "curl -sS --fail-with-body")]);
    expect(JSON.parse(stdout).total_pieces, line).toBeGreaterThan(0);
  }
});
