import { createServer } from "node:net";
import type { PiezaProcess } from "../processes/pieza-process.ts";
import { LocalSwarm, metric } from "./local-swarm.ts";

/** What catalog and peers of an UploadSwarm take, as LocalSwarm gives it to all its processes. */
export const uploadToken = "a-token-for-tests-only";

/** A tracker, a catalog, and peers that take uploads from its page. */
export class UploadSwarm {
  readonly swarm: LocalSwarm;
  readonly catalogUrl: string;
  readonly #ports: readonly number[];

  private constructor(swarm: LocalSwarm, catalogUrl: string, ports: readonly number[]) {
    this.swarm = swarm;
    this.catalogUrl = catalogUrl;
    this.#ports = ports;
  }

  /** The catalog names `peers` addresses; nobody is there before `peer` is called. */
  static async start(peers: number): Promise<UploadSwarm> {
    const swarm = await LocalSwarm.start();
    const ports = await freePorts(peers);
    const named = ports.flatMap((port) => ["--upload-peer", `http://127.0.0.1:${port}`]);
    const catalog = swarm.run("upload-catalog", [
      "catalog",
      ...["--port", "0", ...swarm.trackerFlag, ...named],
    ]);
    return new UploadSwarm(swarm, await catalog.url(), ports);
  }

  /** Starts the peer at address `n` (from 0), with what it stored before. */
  async peer(n: number, size = "1GiB", ...flags: string[]): Promise<PiezaProcess> {
    const peer = this.swarm.run(`upload-peer-${n}`, [
      "peer",
      ...["--port", this.port(n), "--accept-uploads", size, "--catalog", this.catalogUrl],
      ...["--allow-origin", this.catalogUrl, ...this.swarm.trackerFlag, ...flags],
    ]);
    await peer.url();
    return peer;
  }

  /** The port of the address `n` that the catalog names. */
  port(n: number): string {
    return String(this.#ports[n]);
  }

  stop(): Promise<void> {
    return this.swarm.stop();
  }
}

/** How many pieces a peer holds, by its own /metrics. */
export async function piecesHeld(peer: PiezaProcess): Promise<number> {
  return metric(await peer.url(), "pieza_pieces_held");
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise((resolve) => (server.listening ? resolve(0) : server.once("listening", resolve)));
    ports.push((server.address() as { port: number }).port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
