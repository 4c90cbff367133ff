import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { basename, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { readTorrentJson } from "../../support/swarms/local-swarm.ts";
import { startDelayProxy } from "../delay-proxy.ts";
import { type Pieza, type SharedFile, type Swarm, warmUp } from "../support/pieza.ts";
import { freePort, type Running, type Workspace } from "../support/workspace.ts";

/** Servers of the file: ports of the loopback, and the processes behind them. */
export interface Source {
  readonly ports: readonly number[];
  readonly pids: readonly number[];
}

/** A BitTorrent client: seeders of the file, one process a port, and how to call it for a download. */
export interface TorrentSource extends Source {
  /** The program and what it always takes. */
  readonly program: readonly string[];
  readonly torrent: string;
}

export const WEBTORRENT_VERSION = "3.0.21";
const ROUND_TRIP_MS = 50;
/** Servers or seeders of a contender that has several. */
export const MANY = 4;

export const programPath = (name: string) => join(import.meta.dirname, "../programs", name);

/** What the contenders download from. Each source is started when the first one asks for it, and stays. */
export class Sources {
  readonly file: SharedFile;
  readonly pieza: Pieza;
  readonly workspace: Workspace;

  constructor(workspace: Workspace, pieza: Pieza, file: SharedFile) {
    this.workspace = workspace;
    this.pieza = pieza;
    this.file = file;
  }

  readonly nginx = once(() => this.#startNginx());
  readonly libtorrent = once(() =>
    this.#startSeeders("libtorrent", ["/usr/bin/python3", programPath("libtorrent_peer.py")]),
  );
  readonly webtorrent = once(async () => {
    const modules = await this.#installWebtorrent();
    return this.#startSeeders("webtorrent", [process.execPath, programPath("webtorrent-peer.ts"), modules]);
  });
  readonly onePeer = once(() => this.#startSwarm(1));
  readonly manyPeers = once(() => this.#startSwarm(MANY));
  readonly slowPeer = once(() => this.#startSlowSwarm());
  readonly stockServer = once(async () => {
    const { path, torrent } = this.file;
    const server = this.workspace.start([process.execPath, programPath("stock-server.ts"), path, torrent]);
    return { ports: [await readyPort(server)], pids: [server.pid] };
  });

  /** One worker, as it comes, on several ports. */
  async #startNginx(): Promise<Source> {
    const ports: number[] = [];
    while (ports.length < MANY) ports.push(await freePort());
    const folder = this.workspace.path("nginx");
    await mkdir(folder);
    await writeFile(join(folder, "nginx.conf"), nginxConfiguration(dirname(this.file.path), ports));
    const { pid } = this.workspace.start([
      "/usr/sbin/nginx",
      "-p",
      folder,
      "-c",
      "nginx.conf",
      "-e",
      "error.log",
    ]);
    for (const port of ports) await untilOpen(port);
    return { ports, pids: [pid] };
  }

  async #startSeeders(name: string, program: readonly string[]): Promise<TorrentSource> {
    const { path } = this.file;
    const torrent = this.workspace.path(`${name}.torrent`);
    await this.workspace.run([...program, "make", path, torrent]);
    const ports: number[] = [];
    const pids: number[] = [];
    while (ports.length < MANY) {
      const seeder = this.workspace.start([...program, "seed", torrent, dirname(path)]);
      ports.push(await readyPort(seeder));
      pids.push(seeder.pid);
    }
    return { program, torrent, ports, pids };
  }

  /** Without native parts, which are for uTP and WebRTC: a stub takes the place of the latter. */
  async #installWebtorrent(): Promise<string> {
    const folder = this.workspace.path("webtorrent");
    const stub = join(folder, "no-webrtc");
    await mkdir(stub, { recursive: true });
    const names = ["RTCPeerConnection", "RTCSessionDescription", "RTCIceCandidate"];
    await writeFile(
      join(stub, "stub.js"),
      names.map((name) => `export const ${name} = undefined;\n`).join(""),
    );
    await writeJson(join(stub, "package.json"), {
      name: "webrtc-polyfill",
      version: "1.0.0",
      type: "module",
      exports: "./stub.js",
    });
    await writeJson(join(folder, "package.json"), {
      private: true,
      dependencies: { webtorrent: WEBTORRENT_VERSION },
      overrides: { "webrtc-polyfill": "file:./no-webrtc" },
    });
    const flags = ["--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"];
    await this.workspace.run(["npm", "install", "--prefix", folder, ...flags]);
    return join(folder, "node_modules");
  }

  async #startSwarm(count: number, peerFlags?: readonly string[]): Promise<Swarm> {
    const swarm = await this.pieza.swarm(this.file, count, peerFlags);
    const { info_hash, total_pieces } = await readTorrentJson(this.file.torrent);
    for (const peer of swarm.peers) await warmUp(peer, info_hash, total_pieces);
    return swarm;
  }

  /** One peer that others reach over a long link only. */
  async #startSlowSwarm(): Promise<Swarm> {
    const port = await freePort();
    const proxy = await startDelayProxy({ targetPort: port, roundTripMs: ROUND_TRIP_MS });
    this.workspace.onClose(() => proxy.close());
    return this.#startSwarm(1, ["--port", String(port), "--public-url", proxy.url]);
  }
}

function once<T>(start: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined;
  return () => {
    started ??= start();
    return started;
  };
}

async function readyPort(server: Running): Promise<number> {
  const [, port] = await server.nextLine(/^ready (\d+)$/);
  return Number(port);
}

/** In the foreground, as one process, with every path in its own folder. */
function nginxConfiguration(folder: string, ports: readonly number[]): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return [
    "daemon off; master_process off; pid nginx.pid;",
    "events {}",
    "http {",
    "  access_log off; sendfile on; tcp_nopush on;",
    ...temporary.map((name) => `  ${name}_temp_path ${name};`),
    `  server { ${ports.map((port) => `listen 127.0.0.1:${port};`).join(" ")} root ${folder}; }`,
    "}\n",
  ].join("\n");
}

async function untilOpen(port: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.once("error", () => resolve(false)).once("connect", () => socket.destroy());
    });
    if (isOpen) return;
    if (performance.now() > deadline) throw new Error(`nothing listens on port ${port} after 10 s`);
    await setTimeout(20);
  }
}

const writeJson = (path: string, value: unknown) => writeFile(path, JSON.stringify(value));

/** The file's name in a source's folder. */
export const nameOf = ({ path }: SharedFile) => basename(path);
