/**
 * A link that is slow on purpose: a TCP proxy that holds back what passes, for a time in each direction (half a round
 * trip) and, from the server, to a rate that all its connections share. It has no slow start and loses nothing: what it
 * shows is the windows and the pipelining of the two ends.
 */
import { createConnection, createServer, type Socket } from "node:net";

export interface DelayProxyOptions {
  /** Of the loopback. */
  readonly targetPort: number;
  /** Round trip that is added. Default 0. */
  readonly roundTripMs?: number;
  /** What all connections together get from the server. Default: no limit. */
  readonly bytesPerSecond?: number;
}

export interface DelayProxy {
  readonly url: string;
  close(): Promise<void>;
}

/** On their way in one direction of one connection; with more the sender waits. Enough for 600 MB/s over 50 ms. */
const MAX_QUEUED_BYTES = 32 << 20;
/** The same for a connection with a limited rate, in seconds of that rate: a longer queue would be a delay of its own. */
const MAX_QUEUED_SECONDS = 0.05;

export async function startDelayProxy(options: DelayProxyOptions): Promise<DelayProxy> {
  const { targetPort, roundTripMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = options;
  const up = new Line(roundTripMs / 2, Number.POSITIVE_INFINITY);
  const down = new Line(roundTripMs / 2, bytesPerSecond);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const target = createConnection({
      port: targetPort,
      host: "127.0.0.1",
      allowHalfOpen: true,
      noDelay: true,
    });
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.once("error", () => other.destroy());
    }
    // The handshake takes a round trip too.
    setTimeout(() => carry(client, target, up), roundTripMs);
    carry(target, client, down);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** One direction of the link. */
class Line {
  readonly maxQueuedBytes: number;
  readonly #delayMs: number;
  readonly #bytesPerMs: number;
  #freeAtMs = 0;

  constructor(delayMs: number, bytesPerSecond: number) {
    this.#delayMs = delayMs;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.maxQueuedBytes = Math.min(MAX_QUEUED_BYTES, bytesPerSecond * MAX_QUEUED_SECONDS);
  }

  /** When bytes that are sent now arrive: after those that others have sent. */
  send(bytes: number): number {
    this.#freeAtMs = Math.max(this.#freeAtMs, performance.now()) + bytes / this.#bytesPerMs;
    return this.#freeAtMs + this.#delayMs;
  }
}

/** Passes on what `from` says and that it has ended, each at its time. */
function carry(from: Socket, to: Socket, line: Line): void {
  const queue: { readonly chunk: Buffer | "end"; readonly dueMs: number }[] = [];
  let queuedBytes = 0;
  let timer: NodeJS.Timeout | undefined;

  const deliver = () => {
    clearTimeout(timer);
    timer = undefined;
    while (queue.length > 0 && queue[0]!.dueMs <= performance.now() && !to.writableNeedDrain) {
      const { chunk } = queue.shift()!;
      if (chunk === "end") return to.end();
      queuedBytes -= chunk.length;
      to.write(chunk);
    }
    if (queuedBytes < line.maxQueuedBytes) from.resume();
    if (!to.writableNeedDrain) arm();
  };
  const arm = () => {
    const [next] = queue;
    if (next) timer ??= setTimeout(deliver, Math.max(0, Math.ceil(next.dueMs - performance.now())));
  };
  const onData = (chunk: Buffer) => {
    queue.push({ chunk, dueMs: line.send(chunk.length) });
    queuedBytes += chunk.length;
    if (queuedBytes >= line.maxQueuedBytes) from.pause();
    arm();
  };

  to.on("drain", deliver);
  to.once("close", () => {
    clearTimeout(timer);
    from.destroy();
  });
  from.on("data", onData).once("end", () => {
    queue.push({ chunk: "end", dueMs: line.send(0) });
    arm();
  });
}
