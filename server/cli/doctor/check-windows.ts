import { readFile } from "node:fs/promises";
import http2 from "node:http2";
import tls from "node:tls";
import { proxyFor } from "../../http/client/proxy.ts";
import { Tunnels } from "../../http/client/proxy-tunnel.ts";
import { formatBytes, formatRate } from "../line/units.ts";
import { type CheckOptions, type Finding, ok, type ServerKind, warning } from "./finding.ts";
import { ANSWER_MS } from "./probe.ts";

/** The round trip that windows are judged by: longer than within a country, shorter than to another continent. */
const LONG_LINK_MS = 50;
const SMALL_WINDOW_BYTES = 1 << 20;
/** The system's largest receive buffer limits what a connection receives in one round trip. */
const SMALL_BUFFER_BYTES = 4 << 20;

/** Checks the HTTP/2 window of a server, which limits the rate of uploads to it over a long link. */
export async function checkWindows(
  url: string,
  role: ServerKind | undefined,
  options: CheckOptions,
): Promise<Finding> {
  const seen = await settingsOf(url, options);
  options.signal.throwIfAborted();
  if (!seen) {
    const advice = "turn on HTTP/2 in a proxy in front of it; pages and pieza get need no HTTP/2";
    return warning("windows", url, "it does not speak HTTP/2, so gRPC clients cannot reach it", advice);
  }
  const { windowBytes, roundTripMs } = seen;
  const facts = `it receives ${formatBytes(windowBytes)} in a round trip of ${roundTripMs.toFixed(1)} ms`;
  if (windowBytes >= SMALL_WINDOW_BYTES || role === "tracker") return ok("windows", url, facts);
  const rate = formatRate((windowBytes * 1000) / LONG_LINK_MS);
  const message = `${facts}; with a round trip of ${LONG_LINK_MS} ms an upload gets ${rate} at most`;
  if (windowBytes * 1000 >= SMALL_WINDOW_BYTES * 20 * roundTripMs) return ok("windows", url, message);
  const advice = "raise the HTTP/2 window (initialWindowSize) of the server or of a proxy in front of it";
  return warning("windows", url, message, advice);
}

/** Checks this machine's TCP receive buffer. Undefined if the system does not tell its size. */
export async function checkBuffers(
  read: (path: string) => Promise<string> = (path) => readFile(path, "utf8"),
): Promise<Finding | undefined> {
  const path = "/proc/sys/net/ipv4/tcp_rmem";
  const text = await read(path).catch(() => "");
  const maxBytes = Number(text.trim().split(/\s+/)[2]);
  if (!(maxBytes > 0)) return undefined;
  const facts = `this machine receives up to ${formatBytes(maxBytes)} in a round trip`;
  if (maxBytes >= SMALL_BUFFER_BYTES) return ok("windows", path, facts);
  const rate = formatRate((maxBytes * 1000) / LONG_LINK_MS);
  return warning(
    "windows",
    path,
    `${facts}; with a round trip of ${LONG_LINK_MS} ms a connection brings ${rate} at most`,
    `sysctl -w net.ipv4.tcp_rmem="4096 131072 ${16 << 20}"`,
  );
}

/** The HTTP/2 window that a server announces and the round trip to it; undefined if it does not speak HTTP/2. */
async function settingsOf(
  url: string,
  { ca, signal }: CheckOptions,
): Promise<{ windowBytes: number; roundTripMs: number } | undefined> {
  const trusted = ca === undefined ? {} : { ca: [...tls.getCACertificates("default"), ca] };
  const proxy = proxyFor(url);
  const tunnels = proxy && new Tunnels(url, proxy, trusted);
  try {
    await tunnels?.open();
  } catch {
    return undefined;
  }
  return new Promise((resolve) => {
    const way = { ...trusted, ...(tunnels && { createConnection: tunnels.connect }) };
    const session = http2.connect(url, way);
    const end = (seen?: { windowBytes: number; roundTripMs: number }) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      session.destroy();
      resolve(seen);
    };
    const onAbort = () => end();
    const timer = setTimeout(end, ANSWER_MS);
    signal.addEventListener("abort", onAbort, { once: true });
    session.on("error", () => end()).on("close", () => end());
    session.once("remoteSettings", ({ initialWindowSize = 65_535 }) => {
      session.ping((error, roundTripMs) =>
        end(error ? undefined : { windowBytes: initialWindowSize, roundTripMs }),
      );
    });
  });
}
