import { execFile } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { root } from "../../../scripts/run-command.ts";
import type { Command, Workspace } from "../support/workspace.ts";
import { freePort } from "../support/workspace.ts";
import type { Server } from "./load.ts";

/** Peers in the swarms that are asked for. */
export const PEERS = 50;

const BITTORRENT_TRACKER = "bittorrent-tracker@11.2.3";
const run = promisify(execFile);

/** The trackers that a bench compares, each a process of its own. */
export class Contenders {
  readonly #workspace: Workspace;

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  async ours(): Promise<Server> {
    return (await this.#start([process.execPath, `${root}test/bench/tracker/our-server.ts`]))[0]!;
  }

  /** Our tracker behind the library's own adapter. */
  async stock(): Promise<{ readonly http1: Server; readonly http2: Server }> {
    const script = `${root}test/bench/tracker/stock-server.ts`;
    const [http1, http2] = await this.#start([process.execPath, script]);
    return { http1: http1!, http2: http2! };
  }

  /** In Python; a process for each number of pieces, because it tells no two files apart. */
  async seed(): Promise<Server> {
    const descriptors = this.#workspace.path("tracker.binpb");
    await run("buf", ["build", root, "-o", descriptors]);
    const script = `${root}test/bench/programs/seed_tracker.py`;
    return (await this.#start(["/usr/bin/python3", script, descriptors]))[0]!;
  }

  /** With fifty peers. Its command wants a native module for WebRTC; its server does not. */
  async bittorrentTracker(): Promise<Server> {
    const { folder } = this.#workspace;
    await run("npm", [
      "install",
      "--ignore-scripts",
      "--omit=optional",
      "--prefix",
      folder,
      BITTORRENT_TRACKER,
    ]);
    const port = await freePort();
    const entry = this.#workspace.path("bittorrent-tracker.mjs");
    await writeFile(
      entry,
      `import Server from "bittorrent-tracker/server";
      const server = new Server({ udp: false, ws: false, stats: false });
      const url = "http://127.0.0.1:${port}";
      server.listen(${port}, "127.0.0.1", () => console.log("listening at " + url));`,
    );
    const [server] = await this.#start([process.execPath, entry]);
    await announceAll(server!);
    return server!;
  }

  /** With fifty peers. It gives up its rights and its root folder, and says nothing when it is ready. */
  async opentracker(): Promise<Server> {
    await chmod(this.#workspace.folder, 0o755);
    const port = String(await freePort());
    const flags = ["-i", "127.0.0.1", "-p", port, "-P", port, "-d", this.#workspace.folder];
    const { pid } = this.#workspace.start(["opentracker", ...flags]);
    const server = { url: `http://127.0.0.1:${port}`, pid };
    for (let tries = 0; tries < 50; tries++) {
      const { ok } = await fetch(server.url + announcePath(0)).catch(() => ({ ok: false }));
      if (ok) {
        await announceAll(server);
        return server;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("opentracker does not answer");
  }

  async #start(command: Command): Promise<Server[]> {
    const running = this.#workspace.start(command);
    const [, urls = ""] = await running.nextLine(/listening at (.+)/);
    return urls.split(" ").map((url) => ({ url, pid: running.pid }));
  }
}

/** Peer number `n`'s announce to a BitTorrent tracker, which answers with fifty peers in the compact form. */
export function announcePath(n: number): string {
  const peer = `peer_id=-XX0000-${String(n).padStart(12, "0")}&port=${2_000 + n}`;
  return `/announce?info_hash=${"%aa".repeat(20)}&${peer}&uploaded=0&downloaded=0&left=1&compact=1&numwant=50`;
}

async function announceAll({ url }: Server): Promise<void> {
  for (let n = 0; n < PEERS; n++) await fetch(url + announcePath(n));
}
