import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A way to a holder, or to one that only seems to be one. */
export interface Link {
  readonly url: string;
  close(): Promise<void>;
}

export type Fault = "headers" | "drip" | "half";

/** A holder that accepts every call, says how long the piece is, and then does as told. It never ends an answer. */
export async function startFaulty(fault: Fault, pieceLength: number): Promise<Link> {
  const prefix = messagePrefix(pieceLength);
  const answer: RequestListener = (request, response) => {
    request.resume();
    const length = String(prefix.length + pieceLength);
    response.writeHead(200, { "content-type": "application/proto", "content-length": length });
    response.flushHeaders();
    if (fault === "headers") return;
    response.write(prefix);
    if (fault === "half") return void response.write(Buffer.alloc(pieceLength >> 1));
    const drip = setInterval(() => response.write(Buffer.alloc(1)), 1_000);
    response.once("close", () => clearInterval(drip));
  };
  return linkOf(createHttpServer(answer));
}

/** Passes on to a port of the loopback whatever comes. */
export async function startForward(target: { readonly url: string }, port = 0): Promise<Link> {
  const targetPort = Number(new URL(target.url).port);
  const server = createServer((from) => {
    const to = connect(targetPort, "127.0.0.1");
    const end = () => {
      from.destroy();
      to.destroy();
    };
    for (const socket of [from, to]) socket.once("error", end).once("close", end);
    from.pipe(to);
    to.pipe(from);
  });
  return linkOf(server, port);
}

/** A holder that is there and away by turns, `phaseMs` each, first there for so long that several do not go at once. */
export async function startComingAndGoing(
  target: { readonly url: string },
  phaseMs: number,
  firstMs: number,
): Promise<Link> {
  let link = await startForward(target);
  const { url } = link;
  let isThere = true;
  let turning = Promise.resolve();
  const turn = async () => {
    if (isThere) await link.close();
    else link = await startForward(target, Number(new URL(url).port));
    isThere = !isThere;
    timer = setTimeout(onTime, phaseMs);
  };
  const onTime = () => {
    turning = turn();
  };
  let timer = setTimeout(onTime, firstMs);
  const close = async () => {
    clearTimeout(timer);
    await turning;
    clearTimeout(timer);
    if (isThere) await link.close();
  };
  return { url, close };
}

async function linkOf(server: Server, wantedPort = 0): Promise<Link> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket)).on("error", () => {});
  });
  server.listen(wantedPort, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** What comes before the bytes of a piece in a GetPieceResponse: the field's number and its length. */
function messagePrefix(length: number): Buffer {
  const bytes = [0x0a];
  let rest = length;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}
