import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import type net from "node:net";
import tls from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { proxyName } from "./proxy.ts";

/** How long a proxy may take to open a way. */
const OPENING_MS = 10_000;

/** A connection is wanted, and none has been opened. */
export class NoTunnel extends Error {}

/**
 * Connections to one server for HTTP/2 sessions, through a proxy: tunnels that the proxy opens (CONNECT), with TLS inside
 * for https. A session wants its connection at once, so it is opened before: `connect` throws NoTunnel until then.
 *
 * They are real sockets and no streams around them: over those, Node hands out all frames of a short answer at once, and
 * the library misses its end.
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

  /** For `createConnection` of http2.connect: the connection that has been opened. */
  readonly connect = (): net.Socket => {
    const socket = this.#opened;
    this.#opened = undefined;
    if (!socket) throw new NoTunnel("no tunnel is open");
    if (socket.destroyed) throw this.#unavailable("it closed the connection");
    if (this.#url.protocol !== "https:") return socket;
    const host = bare(this.#url.hostname);
    // An address is no name to ask a server for.
    const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
    return tls.connect({ ...this.#trusted, ...name, host, socket, ALPNProtocols: ["h2"] });
  };

  /** Opens a connection for the next `connect`. Fails with ConnectError, unavailable. */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Ends what no session has taken. */
  close(): void {
    this.#closed.abort();
    this.#opened?.destroy();
  }

  async #open(): Promise<void> {
    const request = this.#request();
    request.setTimeout(OPENING_MS, () => request.destroy(new Error("it does not answer")));
    // Node emits "connect" whatever the proxy answers.
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
    socket.on("error", () => {}); // whoever takes it sees it end
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
      host: bare(proxy.hostname),
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

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}
