import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { cpuSecondsOf } from "../support/proc.ts";
import type { Workspace } from "../support/workspace.ts";

/** A server under load. */
export interface Server {
  /** Scheme, host and port. */
  readonly url: string;
  readonly pid: number;
}

/** What one row measured. */
export interface Load {
  readonly perSecond: number;
  /** NaN where the tool does not tell. */
  readonly p99Ms: number;
  /** Of the server, user and system. */
  readonly cpuMicrosPerCall: number;
}

/** Requests under way at any moment, in every row. */
export const IN_FLIGHT = 32;

const run = promisify(execFile);

/** gRPC over h2c: 8 connections with 4 streams each, one thread. h2load tells no 99th percentile. */
export async function grpcLoad(
  workspace: Workspace,
  { url, pid }: Server,
  { path, message, seconds }: { path: string; message: Uint8Array; seconds: number },
): Promise<Load> {
  const body = workspace.path("grpc-body");
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  await writeFile(body, Buffer.concat([head, message]));
  const headers = ["content-type: application/grpc", "te: trailers"].flatMap((header) => ["-H", header]);
  const shape = ["-t1", "-c8", `-m${IN_FLIGHT / 8}`, "-D", String(seconds)];
  const cpuBefore = cpuSecondsOf([pid]);
  const { stdout } = await run("h2load", [...shape, "-d", body, ...headers, `${url}${path}`]);
  const cpuSeconds = cpuSecondsOf([pid]) - cpuBefore;
  const [, perSecond] = /finished in [\d.]+s, ([\d.]+) req\/s/.exec(stdout) ?? [];
  const [, calls, failed] = /(\d+) succeeded, (\d+) failed/.exec(stdout) ?? [];
  if (!perSecond || Number(failed) > 0) throw new Error(`h2load: ${stdout}`);
  return {
    perSecond: Number(perSecond),
    p99Ms: Number.NaN,
    cpuMicrosPerCall: (1e6 * cpuSeconds) / Number(calls),
  };
}

/** HTTP/1.1 with wrk: keep-alive, unless the server closes or `close` asks for it. A body makes it a POST. */
export async function httpLoad(
  workspace: Workspace,
  { url, pid }: Server,
  {
    path,
    body,
    seconds,
    close = false,
  }: { path: string; body?: Uint8Array; seconds: number; close?: boolean },
): Promise<Load> {
  const script = workspace.path("wrk.lua");
  const bytes = [...(body ?? [])].map((byte) => `\\${String(byte).padStart(3, "0")}`).join("");
  const post = `wrk.method = "POST"\nwrk.body = "${bytes}"\nwrk.headers["content-type"] = "application/proto"\n`;
  const closing = close ? 'wrk.headers["connection"] = "close"\n' : "";
  await writeFile(script, (body ? post : "") + closing);
  const shape = ["-t1", `-c${IN_FLIGHT}`, `-d${seconds}s`, "--latency", "-s", script];
  const cpuBefore = cpuSecondsOf([pid]);
  const { stdout } = await run("wrk", [...shape, `${url}${path}`]);
  const cpuSeconds = cpuSecondsOf([pid]) - cpuBefore;
  const [, perSecond] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? [];
  const [, calls] = /(\d+) requests in/.exec(stdout) ?? [];
  const [, p99, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  if (!perSecond || /Non-2xx/.test(stdout)) throw new Error(`wrk: ${stdout}`);
  const scale = unit === "us" ? 0.001 : unit === "s" ? 1_000 : 1;
  return {
    perSecond: Number(perSecond),
    p99Ms: Number(p99) * scale,
    cpuMicrosPerCall: (1e6 * cpuSeconds) / Number(calls),
  };
}

/** One keep-alive connection from an address of its own, and the request that is sent over it again and again. */
export interface Source {
  readonly address: string;
  readonly request: Buffer;
}

/** HTTP/1.1 from many addresses in turn, one connection each, with short answers that come in one packet. */
export async function sourcesLoad(
  { url, pid }: Server,
  sources: readonly Source[],
  seconds: number,
): Promise<Load> {
  const sockets: Socket[] = [];
  for (const { address } of sources) sockets.push(await dial(url, address));
  const done = Promise.withResolvers<void>();
  const tookMs: number[] = [];
  const sentMs = new Float64Array(sockets.length);
  let next = 0;
  let underWay = IN_FLIGHT;
  const cpuBefore = cpuSecondsOf([pid]);
  const began = performance.now();
  const endMs = began + 1_000 * seconds;
  const send = () => {
    const at = next++ % sockets.length;
    sentMs[at] = performance.now();
    sockets[at]!.write(sources[at]!.request);
  };
  for (const [at, socket] of sockets.entries()) {
    socket.on("data", (answer: Buffer) => {
      const now = performance.now();
      const status = answer.toString("latin1", 9, 12);
      if (status !== "200") done.reject(new Error(`${url} answered ${answer.toString("latin1", 0, 500)}`));
      tookMs.push(now - sentMs[at]!);
      if (now < endMs) send();
      else if (--underWay === 0) done.resolve();
    });
    socket.on("error", done.reject).on("close", () => done.reject(new Error(`${url} hung up`)));
  }
  for (let n = 0; n < IN_FLIGHT; n++) send();
  try {
    await done.promise;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  const seconds_ = (performance.now() - began) / 1_000;
  return {
    perSecond: tookMs.length / seconds_,
    p99Ms: tookMs.sort((a, b) => a - b)[Math.floor(tookMs.length * 0.99)]!,
    cpuMicrosPerCall: (1e6 * (cpuSecondsOf([pid]) - cpuBefore)) / tookMs.length,
  };
}

/** Each of these requests once, over HTTP/1.1 on keep-alive connections, for short answers that come in one packet. */
export async function sendEach(url: string, requests: readonly Buffer[]): Promise<void> {
  let next = 0;
  const sendRest = async () => {
    const socket = await dial(url, "127.0.0.1");
    const done = Promise.withResolvers<void>();
    const send = () => {
      const request = requests[next++];
      if (request) socket.write(request);
      else done.resolve();
    };
    socket.on("data", (answer: Buffer) => {
      if (answer.toString("latin1", 9, 12) === "200") send();
      else done.reject(new Error(`${url} answered ${answer.toString("latin1", 0, 500)}`));
    });
    socket.on("error", done.reject).on("close", () => done.reject(new Error(`${url} hung up`)));
    send();
    await done.promise.finally(() => socket.destroy());
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, sendRest));
}

/** A connection to a server from one of this machine's own addresses. */
export async function dial(url: string, from: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), localAddress: from });
  await once(socket, "connect");
  return socket.setNoDelay(true);
}
