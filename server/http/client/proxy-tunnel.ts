import "./interim-answers.ts";
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import type net from "node:net";
import tls from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { withoutBrackets } from "#core/base/host.ts";
import { proxyName } from "./proxy.ts";

/** Time for a proxy to open a tunnel. */
const OPENING_MS = 10_000;

/** A session wants a connection, and no tunnel is open. */
export class NoTunnel extends Error {}

/**
 * Connections for HTTP/2 sessions to one server, as tunnels through a proxy (CONNECT, RFC 9110, 9.3.6) with TLS
 * inside for https. A session takes its connection synchronously, so a tunnel is opened before: `connect` throws
 * NoTunnel until then.
 *
 * The connections are the sockets themselves. Over a stream that wraps a socket, Node emits all frames of a short
 * answer at once, and the library misses its end.
 */
export class Tunnels {
  readonly #url: URL;
  readonly #proxy: URL;
  readonly #trusted: tls.ConnectionOptions;
  readonly #closed = new AbortController();
  #opening: Promise<void> | undefined;
  #opened: net.Socket | undefined;

  constructor(url: string, proxy: URL, trusted: tls.ConnectionOptions) {
    this.#url = new URL(url);
    this.#proxy = proxy;
    this.#trusted = trusted;
  }

  /** The `createConnection` of http2.connect: returns the connection that open() has opened. */
  readonly connect = (): net.Socket => {
    const socket = this.#opened;
    this.#opened = undefined;
    if (!socket) throw new NoTunnel("no tunnel is open");
    if (socket.destroyed) throw this.#unavailable("it closed the connection");
    if (this.#url.protocol !== "https:") return socket;
    const host = withoutBrackets(this.#url.hostname);
    // TLS allows no IP address as the server name (RFC 6066, 3).
    const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
    return tls.connect({ ...this.#trusted, ...name, host, socket, ALPNProtocols: ["h2"] });
  };

  /** Opens a connection for the next `connect`. Rejects with ConnectError (unavailable). */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Closes the connection that no session has taken, and opens no more. */
  close(): void {
    this.#closed.abort();
    this.#opened?.destroy();
  }

  async #open(): Promise<void> {
    const request = this.#request();
    request.setTimeout(OPENING_MS, () => request.destroy(new Error("it does not answer")));
    // Node emits "connect" for every status that the proxy answers with.
    const answer = once(request, "connect") as Promise<[http.IncomingMessage, net.Socket, Buffer]>;
    request.end();
    const [{ statusCode, statusMessage }, socket, head] = await answer.catch((cause: Error) => {
      throw this.#unavailable(cause.message, cause);
    });
    socket.setTimeout(0);
    if (statusCode !== 200 || this.#closed.signal.aborted) {
      socket.destroy();
      throw this.#unavailable(`it answers ${statusCode} ${statusMessage}`);
    }
    socket.setNoDelay(true);
    if (head.length > 0) socket.unshift(head);
    // The session sees the socket close; without a listener its error would end the process.
    socket.on("error", () => {});
    this.#opened?.destroy();
    this.#opened = socket;
  }

  #request(): http.ClientRequest {
    const { protocol, hostname, port } = this.#url;
    const target = `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
    const proxy = this.#proxy;
    const login = Buffer.from(`${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`);
    const headers = {
      host: target,
      ...(proxy.username !== "" && { "proxy-authorization": `Basic ${login.toString("base64")}` }),
    };
    const request = proxy.protocol === "https:" ? https.request : http.request;
    return request({
      host: withoutBrackets(proxy.hostname),
      ...(proxy.port !== "" && { port: proxy.port }),
      method: "CONNECT",
      path: target,
      headers,
      agent: false,
      signal: this.#closed.signal,
    });
  }

  #unavailable(problem: string, cause?: Error): ConnectError {
    const message = `the proxy ${proxyName(this.#proxy)}: ${problem}`;
    return new ConnectError(message, Code.Unavailable, undefined, undefined, cause);
  }
}
