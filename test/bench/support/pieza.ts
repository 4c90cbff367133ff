import { execFileSync } from "node:child_process";
import type { Running, Workspace } from "./workspace.ts";

/** A file and what describes it. */
export interface SharedFile {
  readonly path: string;
  readonly torrent: string;
  readonly sizeBytes: number;
}

/** A tracker and peers that hold the whole of one file, each a process of its own. */
export interface Swarm {
  readonly trackerUrl: string;
  readonly peers: readonly Peer[];
  stop(): Promise<void>;
}

export interface Peer {
  /** As the tracker names it. */
  readonly url: string;
  readonly process: Running;
}

/** Starts the `pieza` that is measured, in the folder of a bench. */
export class Pieza {
  readonly #workspace: Workspace;
  readonly #entry: string;
  #folders = 0;

  constructor(workspace: Workspace, entry: string) {
    this.#workspace = workspace;
    this.#entry = entry;
  }

  /** A command line with a data folder that nobody else has. */
  command(...args: string[]): string[] {
    const data = this.#workspace.path(`data-${++this.#folders}`);
    return [process.execPath, this.#entry, ...args, "--data", data, "--no-progress"];
  }

  /** Whether a verb's help has a flag, and with it a word such as one of its values. */
  hasFlag(verb: string, flag: string, word = ""): boolean {
    const help = execFileSync(process.execPath, [this.#entry, verb, "--help"], { encoding: "utf8" });
    const start = help.indexOf(`  ${flag} `);
    if (start < 0) return false;
    const [entry = ""] = help.slice(start).split(/\n {2}-/);
    return entry.includes(word);
  }

  /** Makes the torrent of a file that is there. */
  async share(path: string, sizeBytes: number): Promise<SharedFile> {
    const torrent = `${path}.json`;
    await this.#workspace.run(this.command("create", path, "-o", torrent, "-q"));
    return { path, torrent, sizeBytes };
  }

  /** Starts a tracker and `count` peers and resolves when the tracker names them all. */
  async swarm(file: SharedFile, count = 1, peerFlags: readonly string[] = ["--port", "0"]): Promise<Swarm> {
    const tracker = this.#workspace.start(this.command("tracker", "--port", "0", "--json"));
    const [, trackerUrl = ""] = await tracker.nextLine(/"event":"listening".*"url":"([^"]+)"/);
    const peers: Peer[] = [];
    for (let number = 1; number <= count; number++)
      peers.push(await this.#peer(file, ["--tracker", trackerUrl, ...peerFlags]));
    const stop = async () => {
      for (const { process } of peers) await process.stop();
      await tracker.stop();
    };
    return { trackerUrl, peers, stop };
  }

  /** A download of the file to `output`, as a command. */
  get(file: SharedFile, { trackerUrl }: Swarm, output: string, ...flags: string[]): string[] {
    return this.command("get", file.torrent, "-o", output, "--tracker", trackerUrl, "--json", ...flags);
  }

  async #peer(file: SharedFile, flags: readonly string[]): Promise<Peer> {
    const process = this.#workspace.start(
      this.command("peer", file.path, "--torrent", file.torrent, "--json", ...flags),
    );
    const [, url = ""] = await process.nextLine(/"event":"announced".*"listed":true.*"url":"([^"]+)"/);
    return { url, process };
  }
}

/** Asks a peer for every piece once: it checks a piece before it gives it out for the first time. */
export async function warmUp(peer: Peer, infoHash: string, totalPieces: number): Promise<void> {
  for (let number = 1; number <= totalPieces; number++) {
    const response = await fetch(`${peer.url}/pieces/${infoHash}/${number}`);
    if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
    await response.arrayBuffer();
  }
}
