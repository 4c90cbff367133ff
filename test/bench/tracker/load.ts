import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import type { Workspace } from "../support/workspace.ts";

/** What one row measured. */
export interface Load {
  readonly perSecond: number;
  readonly p99Ms: number;
}

/** Requests under way at any moment, in every row. */
export const IN_FLIGHT = 32;

const run = promisify(execFile);

/** A message in a gRPC envelope. */
function envelope(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** gRPC over h2c: 8 connections with 4 streams each, one thread. h2load tells no 99th percentile. */
export async function grpcLoad(
  workspace: Workspace,
  { url, path, message, seconds }: { url: string; path: string; message: Uint8Array; seconds: number },
): Promise<Load> {
  const body = workspace.path("grpc-body");
  await writeFile(body, envelope(message));
  const headers = ["content-type: application/grpc", "te: trailers"].flatMap((header) => ["-H", header]);
  const shape = ["-t1", "-c8", `-m${IN_FLIGHT / 8}`, "-D", String(seconds), "--warm-up-time", "1"];
  const { stdout } = await run("h2load", [...shape, "-d", body, ...headers, `${url}${path}`]);
  const [, perSecond] = /finished in [\d.]+s, ([\d.]+) req\/s/.exec(stdout) ?? [];
  const [, failed] = /(\d+) failed/.exec(stdout) ?? [];
  if (!perSecond || Number(failed) > 0) throw new Error(`h2load: ${stdout}`);
  return { perSecond: Number(perSecond), p99Ms: Number.NaN };
}

/** HTTP/1.1 with wrk: keep-alive, unless the server closes. A body makes it a POST. */
export async function httpLoad(
  workspace: Workspace,
  { url, body, seconds }: { url: string; body?: Uint8Array; seconds: number },
): Promise<Load> {
  const script = workspace.path("wrk.lua");
  const bytes = [...(body ?? [])].map((byte) => `\\${String(byte).padStart(3, "0")}`).join("");
  const post = `wrk.method = "POST"\nwrk.body = "${bytes}"\nwrk.headers["content-type"] = "application/proto"\n`;
  await writeFile(script, body ? post : "");
  const shape = ["-t1", `-c${IN_FLIGHT}`, `-d${seconds}s`, "--latency", "-s", script];
  const { stdout } = await run("wrk", [...shape, url]);
  const [, perSecond] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? [];
  const [, p99, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  if (!perSecond || /Non-2xx/.test(stdout)) throw new Error(`wrk: ${stdout}`);
  const scale = unit === "us" ? 0.001 : unit === "s" ? 1_000 : 1;
  return { perSecond: Number(perSecond), p99Ms: Number(p99) * scale };
}

/** One keep-alive connection from an address of its own, and the request that is sent over it again and again. */
export interface Source {
  readonly address: string;
  readonly request: Buffer;
}

/** HTTP/1.1 from many addresses in turn, one connection each, with short answers that come in one packet. */
export async function sourcesLoad(url: string, sources: readonly Source[], seconds: number): Promise<Load> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  for (const { address } of sources) {
    const socket = connect({ host: hostname, port: Number(port), localAddress: address });
    await once(socket, "connect");
    sockets.push(socket.setNoDelay(true));
  }
  const tookMs: number[] = [];
  let next = 0;
  const began = performance.now();
  const endMs = began + 1_000 * seconds;
  const one = async () => {
    while (performance.now() < endMs) {
      const at = next++ % sockets.length;
      const sent = performance.now();
      sockets[at]!.write(sources[at]!.request);
      const [answer] = (await once(sockets[at]!, "data")) as [Buffer];
      const status = answer.toString("latin1", 9, 12);
      if (status !== "200") throw new Error(`${url} answered ${status}`);
      tookMs.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  const perSecond = (1_000 * tookMs.length) / (performance.now() - began);
  for (const socket of sockets) socket.destroy();
  return { perSecond, p99Ms: tookMs.sort((a, b) => a - b)[Math.floor(tookMs.length * 0.99)]! };
}
