import { execFile } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { PiezaProcess } from "../processes/pieza-process.ts";
import { runVerbHere } from "../processes/verb-here.ts";

const run = promisify(execFile);

/** What the shared servers of a test take instead of one that they make themselves. */
const token = "a-token-for-tests-only";

/** A tracker, a catalog and peers, each a process with a folder of its own, on free ports of the loopback. */
export class LocalSwarm {
  /** For the test's files; removed by `stop`. */
  readonly folder: string;
  readonly #processes: PiezaProcess[] = [];
  #tracker: PiezaProcess | undefined;
  trackerUrl = "";
  catalogUrl = "";

  readonly #env: NodeJS.ProcessEnv;

  private constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.folder = folder;
    this.#env = env;
  }

  /** `env` is of every process, such as PIEZA_CA. */
  static async start(env: NodeJS.ProcessEnv = {}): Promise<LocalSwarm> {
    const swarm = new LocalSwarm(await mkdtemp(join(tmpdir(), "pieza-swarm-")), env);
    try {
      await swarm.#startTracker("0");
      swarm.catalogUrl = await swarm.run("catalog", ["catalog", "--port", "0", ...swarm.trackerFlag]).url();
    } catch (error) {
      await swarm.stop();
      throw error;
    }
    return swarm;
  }

  get trackerFlag(): string[] {
    return ["--tracker", this.trackerUrl];
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Kills the tracker and starts another at its address, which knows nothing. */
  async restartTracker(): Promise<void> {
    await this.stopTracker();
    await this.#startTracker(new URL(this.trackerUrl).port);
  }

  async stopTracker(): Promise<void> {
    await this.#tracker?.stop();
  }

  /**
   * Starts any verb with its own data folder, named `data`; the same name means the same folder. `within` as for
   * PiezaProcess.
   */
  run(
    data: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    within: readonly string[] = [],
  ): PiezaProcess {
    const process = new PiezaProcess([...args, "--json", "--data", this.path(`data-${data}`)], {
      cwd: this.folder,
      within,
      env: { PIEZA_TOKEN: token, PIEZA_LOG_REQUESTS: "1", ...this.#env, ...env },
    });
    this.#processes.push(process);
    return process;
  }

  /** Runs a verb to its end, and fails unless it ends well. */
  async done(data: string, args: readonly string[], timeoutMs = 120_000): Promise<PiezaProcess> {
    const process = this.run(data, args);
    const code = await process.finished(timeoutMs);
    if (code !== 0) throw new Error(`pieza ${args.join(" ")} ended with ${code}\n${process.text}`);
    return process;
  }

  /** Makes and publishes the torrent of a file or folder in the swarm's folder; returns the path of its JSON. */
  async publish(name: string, ...flags: string[]): Promise<string> {
    const torrent = this.path(`${name}.json`);
    const env = { ...this.#env, PIEZA_TOKEN: token, PIEZA_DATA: this.path("data-publisher") };
    await runVerbHere(["create", this.path(name), "-o", torrent, ...flags], env);
    await runVerbHere(["publish", torrent, "--catalog", this.catalogUrl], env);
    return torrent;
  }

  /** A peer that serves `pieces` ("1-40,60"; all by default) of a file or folder in the swarm's folder, and is named. */
  async peer(
    data: string,
    name: string,
    pieces?: string,
    port = "0",
    ...flags: string[]
  ): Promise<PiezaProcess> {
    const path = this.path(name);
    const part = pieces === undefined ? [] : ["--pieces", pieces];
    const args = ["peer", path, "--torrent", `${path}.json`, ...part, "--port", port, ...this.trackerFlag];
    const peer = this.run(data, [...args, ...flags]);
    await this.#named(name, await peer.url());
    return peer;
  }

  /** Resolves once the tracker names the peer for a torrent. */
  async #named(fileName: string, url: string): Promise<void> {
    const deadline = Date.now() + 30_000;
    let answer = "";
    while (Date.now() < deadline) {
      const response = await fetch(`${this.trackerUrl}/pieza.v1.TrackerService/LocatePieces`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ file_name: fileName }),
        signal: AbortSignal.timeout(5_000),
      });
      answer = await response.text();
      if (answer.includes(`"${url}"`)) return;
      await setTimeout(25);
    }
    throw new Error(`the tracker did not name ${url} in 30 s, but answered: ${answer}`);
  }

  async #startTracker(port: string): Promise<void> {
    this.#tracker = this.run("tracker", ["tracker", "--port", port]);
    this.trackerUrl = await this.#tracker.url();
  }

  /** Ends every process at once and removes the folder. */
  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The numbers of the pieces that a peer has sent so far, in order, repeats included. */
export function sent(peer: PiezaProcess): number[] {
  const requests = peer.lines.filter((line) => line.event === "piece_request" && line.outcome === "ok");
  return requests.map((line) => Number(line.number));
}

/** How many it sent, once it says no more of a caller that is gone: what had left by then is logged after its end. */
export async function sentInAll(peer: PiezaProcess): Promise<number> {
  for (let before = -1; ; await setTimeout(500)) {
    const now = sent(peer).length;
    if (now === before) return now;
    before = now;
  }
}

/** Writes `length` random bytes. */
export async function writeRandomFile(path: string, length: number): Promise<void> {
  const file = await open(path, "wx");
  const block = Buffer.alloc(Math.min(length, 8 << 20));
  for (let left = length; left > 0; left -= block.length) {
    await file.write(randomFillSync(block).subarray(0, left));
  }
  await file.close();
}

/** What the system's own sha256sum says of a file. */
export async function sha256sum(path: string): Promise<string> {
  const { stdout } = await run("sha256sum", [path]);
  return stdout.slice(0, 64);
}

/** A torrent's JSON, read as any client would. */
export async function readTorrentJson(path: string): Promise<{
  file_name: string;
  info_hash: string;
  total_pieces: number;
  piece_length: number;
  length: number;
  pieces: { number: number; hash: string }[];
}> {
  return JSON.parse(await readFile(path, "utf8"));
}

/** The sum of a counter over all its labels in a server's /metrics. */
export async function metric(url: string, name: string): Promise<number> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const lines = (await response.text()).split("\n").filter((line) => line.match(/^\w+/)?.[0] === name);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
