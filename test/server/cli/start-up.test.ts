import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { torrentText } from "#core/torrent/torrent-json.ts";
import { makeTorrent } from "../../support/swarms/made-torrent.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const entry = fileURLToPath(new URL("../../../server/cli/pieza.js", import.meta.url));
/** Names every module on a line of its own as it is loaded. */
const hook = `import { registerHooks } from "node:module";
registerHooks({ load(url, context, next) { process._rawDebug("loads " + url); return next(url, context); } });`;
/** They take longer to load than a small verb does in all. */
const heavy = /\/node_modules\/|^node:(http|https|http2|tls|child_process|cluster|worker_threads|vm)$/;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-start-up-"));
  const made = await makeTorrent({ length: 100_000 });
  await writeFile(join(folder, "file.bin"), made.whole);
  await writeFile(join(folder, "file.json"), torrentText(made.torrent));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The modules that a command line loads until it ends, or is ended. */
function start(args: readonly string[]) {
  const flags = ["--import", `data:text/javascript,${encodeURIComponent(hook)}`, entry, ...args];
  const env = { ...process.env, PIEZA_DATA: join(folder, "data") };
  const child = spawn(process.execPath, flags, { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
  let text = "";
  child.stderr.on("data", (chunk) => {
    text += chunk;
  });
  const loaded = new Promise<string[]>((resolve) => {
    child.on("close", () => resolve(Array.from(text.matchAll(/^loads (.*)$/gm), ([, url]) => url!)));
  });
  return { child, loaded };
}

it.each([
  ["--version"],
  ["--help"],
  ["get", "--help"],
  ["create", "file.bin", "-o", "new.json"],
  ["info", "file.json"],
  ["verify", "file.json", "file.bin"],
  ["status"],
  ["explain", "file.json"],
  ["completions", "bash"],
])("pieza %s %s loads no package and no server", async (...args) => {
  const loaded = await start(args.filter((arg) => arg !== undefined)).loaded;
  expect(loaded.length).toBeGreaterThan(5);
  expect(loaded.filter((url) => heavy.test(url))).toEqual([]);
});

it("get has loaded no package and no server when its first request is on its way", async () => {
  let asked = "";
  const tracker = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (bytes) => {
      asked = bytes.toString("latin1");
      child.kill("SIGKILL");
    });
  });
  await new Promise<void>((resolve) => tracker.listen(0, "127.0.0.1", resolve));
  const { port } = tracker.address() as net.AddressInfo;
  const { child, loaded } = start([
    "get",
    "file.json",
    "-o",
    "got.bin",
    "--tracker",
    `http://127.0.0.1:${port}`,
  ]);
  try {
    const urls = await loaded;
    expect(asked).toMatch(/^POST \/pieza\.v1\.TrackerService\/LocatePieces HTTP\/1\.1\r\n/);
    expect(urls.filter((url) => heavy.test(url))).toEqual([]);
  } finally {
    tracker.close();
  }
});
