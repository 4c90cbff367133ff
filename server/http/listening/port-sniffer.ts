import net from "node:net";
import tls from "node:tls";
import type { Limits } from "../base/limits.ts";
import { answerWithoutTls } from "../base/no-tls.ts";
import type { Certificate } from "./certificate.ts";
import { Connections } from "./connections.ts";

/** The first bytes of HTTP/2's preface (RFC 9113, 3.4). No method of HTTP/1.1 begins with them. */
const PREFACE = Buffer.from("PRI");
/** The first byte of every TLS connection: the type of a handshake record. */
const HANDSHAKE = 0x16;

/** A port whose certificate can be renewed. */
export type TlsPort = net.Server & Pick<tls.Server, "setSecureContext">;

/** Take a connection and the bytes that have been read from it. */
export interface PortServers {
  readonly h1: (socket: net.Socket, begun: Buffer) => void;
  readonly h2: (socket: net.Socket, begun: Buffer) => void;
}

const NOTHING = Buffer.alloc(0);

/**
 * One port for HTTP/1.1 and HTTP/2. The first bytes of a connection tell which it is; over TLS the handshake does
 * (ALPN).
 */
export function createPort(servers: PortServers, limits: Limits, certificate?: Certificate) {
  const connections = new Connections(limits.maxConnections);
  return certificate
    ? tlsPort(servers, limits, connections, certificate)
    : cleartextPort(servers, limits, connections);
}

function cleartextPort(servers: PortServers, limits: Limits, connections: Connections): net.Server {
  return net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    if (!connections.admit(socket)) return;
    sniff(socket, limits.firstBytesMs, httpVersion, (version, begun) => {
      // HTTP/1.1 callers may half-close after their request, as http.Server allows them to.
      socket.allowHalfOpen = version === "h1";
      servers[version](socket, begun);
    });
  });
}

/** A client that speaks HTTP without TLS is told to use https. */
function tlsPort(
  servers: PortServers,
  limits: Limits,
  connections: Connections,
  certificate: Certificate,
): TlsPort {
  const handshakes = tls.createServer({
    ...certificate.files,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: limits.firstBytesMs,
  });
  handshakes.on("tlsClientError", (_error, socket) => socket.destroy());
  handshakes.on("secureConnection", (socket) => {
    servers[socket.alpnProtocol === "h2" ? "h2" : "h1"](socket, NOTHING);
  });
  const port = net.createServer({ noDelay: true }, (socket) => {
    if (!connections.admit(socket)) return;
    sniff(socket, limits.firstBytesMs, tlsOrHttp, (version, begun) => {
      socket.unshift(begun);
      if (version === "tls") handshakes.emit("connection", socket);
      else answerWithoutTls(socket, version);
    });
  });
  return Object.assign(port, { setSecureContext: handshakes.setSecureContext.bind(handshakes) });
}

/** Hands a connection over once its first bytes tell its protocol. Destroys it after `timeoutMs` without them. */
function sniff<T>(
  socket: net.Socket,
  timeoutMs: number,
  kindOf: (seen: Buffer) => T | undefined,
  handOver: (kind: T, begun: Buffer) => void,
): void {
  const drop = () => socket.destroy();
  let seen: Buffer = NOTHING;
  const onReadable = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const kind = kindOf(seen);
    if (kind === undefined) return;
    socket.off("readable", onReadable).off("end", drop).off("error", drop).off("timeout", drop).setTimeout(0);
    handOver(kind, seen);
  };
  socket.on("readable", onReadable).on("end", drop).on("error", drop).on("timeout", drop);
  socket.setTimeout(timeoutMs);
}

/** Undefined while the bytes are only the beginning of the preface. */
function httpVersion(seen: Buffer): "h1" | "h2" | undefined {
  if (seen.subarray(0, PREFACE.length).equals(PREFACE)) return "h2";
  return PREFACE.subarray(0, seen.length).equals(seen) ? undefined : "h1";
}

function tlsOrHttp(seen: Buffer): "tls" | "h1" | "h2" | undefined {
  return seen[0] === HANDSHAKE ? "tls" : httpVersion(seen);
}
