import type { Server as HttpServer } from "node:http";
import type { Http2Server } from "node:http2";
import net from "node:net";
import tls from "node:tls";
import type { Certificate } from "./certificate.ts";
import type { Limits } from "./limits.ts";

/** The beginning of HTTP/2's preface; no method of HTTP/1.1 begins so. */
const PREFACE = Buffer.from("PRI");

/**
 * One port for both: the first bytes tell HTTP/2 from HTTP/1.1, over TLS the handshake (ALPN) does. Neither server
 * listens itself.
 */
export function createPort(h1: HttpServer, h2: Http2Server, limits: Limits, certificate?: Certificate) {
  // An http.Server that does not listen enforces none of its timeouts unless it believes that it does.
  h1.emit("listening");
  const port = certificate ? tlsPort(h1, h2, limits, certificate) : cleartextPort(h1, h2, limits);
  port.maxConnections = limits.maxConnections;
  return port;
}

function cleartextPort(h1: HttpServer, h2: Http2Server, limits: Limits): net.Server {
  return net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const drop = () => socket.destroy();
    let seen = Buffer.alloc(0);
    const sniff = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      seen = Buffer.concat([seen, chunk]);
      const isHttp2 = seen.subarray(0, PREFACE.length).equals(PREFACE);
      // One or two bytes may still become either.
      if (!isHttp2 && PREFACE.subarray(0, seen.length).equals(seen)) return;
      socket.off("readable", sniff).off("end", drop).off("error", drop).off("timeout", drop).setTimeout(0);
      socket.unshift(seen);
      // HTTP/1.1 callers may half-close after their request, as http.Server allows them to.
      socket.allowHalfOpen = !isHttp2;
      (isHttp2 ? h2 : h1).emit("connection", socket);
    };
    socket.on("readable", sniff).on("end", drop).on("error", drop).on("timeout", drop);
    socket.setTimeout(limits.firstBytesMs);
  });
}

function tlsPort(h1: HttpServer, h2: Http2Server, limits: Limits, { files }: Certificate): tls.Server {
  const server = tls.createServer({
    ...files,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: limits.firstBytesMs,
    noDelay: true,
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", (socket) => {
    (socket.alpnProtocol === "h2" ? h2 : h1).emit("connection", socket);
  });
  return server;
}
