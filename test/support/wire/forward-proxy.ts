import { once } from "node:events";
import http from "node:http";
import net from "node:net";

/** A proxy for HTTP on this machine, for names that only it knows: all that it is asked for is at 127.0.0.1. */
export interface ForwardProxy {
  readonly url: string;
  /** Host and port of every request that it passed on, in order. */
  readonly forwarded: readonly string[];
  /** Host and port of every tunnel that it opened (CONNECT), in order. */
  readonly tunnels: readonly string[];
  /** What every request brought as Proxy-Authorization. */
  readonly logins: ReadonlySet<string | undefined>;
  /** Bytes that came back through it. */
  readonly bytes: number;
  close(): Promise<void>;
}

/** `refuse`: with this status instead of doing anything. */
export async function startForwardProxy({ refuse }: { refuse?: number } = {}): Promise<ForwardProxy> {
  const forwarded: string[] = [];
  const tunnels: string[] = [];
  const logins = new Set<string | undefined>();
  const sockets = new Set<net.Socket>();
  let bytes = 0;
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
  };
  const server = http.createServer((request, response) => {
    logins.add(request.headers["proxy-authorization"]);
    const url = URL.parse(request.url ?? "");
    if (refuse !== undefined || !url) return void response.writeHead(refuse ?? 400).end();
    forwarded.push(url.host);
    const { method, headers } = request;
    const { pathname, search, port } = url;
    const onward = http.request({ host: "127.0.0.1", port, method, path: pathname + search, headers });
    onward.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("data", count).pipe(response);
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  server.on("connect", (request: http.IncomingMessage, client: net.Socket, head: Buffer) => {
    logins.add(request.headers["proxy-authorization"]);
    if (refuse !== undefined) return void client.end(`HTTP/1.1 ${refuse} No\r\nContent-Length: 0\r\n\r\n`);
    tunnels.push(request.url ?? "");
    const port = Number(request.url?.split(":").at(-1));
    const target = net.connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      target.write(head);
      target.on("data", count).pipe(client).pipe(target);
    });
    sockets.add(target);
    target.on("error", () => client.destroy()).on("close", () => client.destroy());
    client.on("error", () => target.destroy()).on("close", () => target.destroy());
  });
  server.on("connection", (socket) => sockets.add(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    forwarded,
    tunnels,
    logins,
    get bytes() {
      return bytes;
    },
    async close() {
      const closed = once(server.close(), "close");
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
