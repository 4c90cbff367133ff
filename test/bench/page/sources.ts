import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { readTorrentJson } from "../../support/swarms/local-swarm.ts";
import { type Pieza, type SharedFile, type Swarm, warmUp } from "../support/pieza.ts";
import type { Workspace } from "../support/workspace.ts";
import { buildPage, buildWorkers, serveSite } from "./site.ts";

/** Peers of a contender that has several. */
export const MANY = 4;
export const WEBTORRENT_VERSION = "3.0.21";
/** The first whose binary comes inside the package; webtorrent itself asks for an older one. */
const NODE_DATACHANNEL_VERSION = "0.33.4";

/** A swarm, and a catalog that sends its page there. */
export interface PageSwarm extends Swarm {
  readonly catalogUrl: string;
}

/** What the pages download from. Each source is started when the first one asks for it, and stays. */
export class PageSources {
  readonly file: SharedFile;
  readonly pieza: Pieza;
  readonly workspace: Workspace;

  readonly #warm: boolean;

  /** `warm`: peers have checked every piece before the first run, so that it is not slower than the others. */
  constructor(workspace: Workspace, pieza: Pieza, file: SharedFile, { warm }: { warm: boolean }) {
    this.#warm = warm;
    this.workspace = workspace;
    this.pieza = pieza;
    this.file = file;
  }

  readonly onePeer = once(() => this.#startSwarm(1));
  readonly manyPeers = once(() => this.#startSwarm(MANY));
  /** The URL of an empty page that may load the bench's workers. */
  readonly site = once(async () =>
    serveSite(this.workspace, [await buildWorkers(this.workspace, ["fetch", "stock"])]),
  );
  /** The same for webtorrent's own bundle and its two torrents, which have a seeder each. */
  readonly webtorrent = once(() => this.#startWebtorrent());
  readonly #page = once(() => buildPage(this.workspace));

  get name(): string {
    return basename(this.file.path);
  }

  async #startSwarm(count: number): Promise<PageSwarm> {
    const { file, pieza, workspace } = this;
    const page = await this.#page();
    const swarm = await pieza.swarm(file, count);
    const { info_hash, total_pieces } = await readTorrentJson(file.torrent);
    if (this.#warm) for (const peer of swarm.peers) await warmUp(peer, info_hash, total_pieces);
    const flags = ["--port", "0", "--open", "--json", "--page", page, "--tracker", swarm.trackerUrl];
    const catalog = workspace.start(pieza.command("catalog", ...flags));
    const [, catalogUrl = ""] = await catalog.nextLine(/"event":"listening".*"url":"([^"]+)"/);
    await workspace.run(pieza.command("publish", file.torrent, "--catalog", catalogUrl, "-q"));
    return { ...swarm, catalogUrl };
  }

  async #startWebtorrent(): Promise<{ url: string; pids: readonly number[] }> {
    const folder = this.workspace.path("webtorrent");
    const modules = await this.#installWebtorrent(folder);
    const program = join(import.meta.dirname, "webtorrent-seeder.ts");
    const seeder = this.workspace.start([process.execPath, program, modules, this.file.path, folder]);
    await seeder.nextLine(/^ready$/);
    const url = await serveSite(this.workspace, [folder, join(modules, "webtorrent/dist")]);
    return { url, pids: [seeder.pid] };
  }

  async #installWebtorrent(folder: string): Promise<string> {
    const manifest = {
      private: true,
      dependencies: { webtorrent: WEBTORRENT_VERSION },
      overrides: { "node-datachannel": NODE_DATACHANNEL_VERSION },
    };
    await this.workspace.run(["mkdir", "-p", folder]);
    await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
    await this.workspace.run([
      ...["npm", "install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"],
    ]);
    return join(folder, "node_modules");
  }
}

function once<T>(start: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined;
  return () => {
    started ??= start();
    return started;
  };
}
