import { once } from "node:events";
import net from "node:net";

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const frameType = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
};

/** One frame of RFC 9113. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without compression: literal fields, never indexed. Names and values shorter than 127 bytes. */
export function headerBlock(fields: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(fields).flatMap(([name, value]) => [
    Uint8Array.of(0x10, name.length),
    Buffer.from(name),
    Uint8Array.of(value.length),
    Buffer.from(value),
  ]);
  return Buffer.concat(parts);
}

/** HEADERS of a gRPC call, complete; with END_STREAM if it has no body. */
export function callHeaders(streamId: number, path: string, options: { endStream?: boolean } = {}): Buffer {
  const block = headerBlock({
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "localhost",
    "content-type": "application/grpc",
    te: "trailers",
  });
  return frame(frameType.headers, 0x4 | (options.endStream ? 0x1 : 0), streamId, block);
}

/** A connection that has said the preface and its settings, and throws away what it hears. */
export async function dialHttp2(port: number): Promise<net.Socket> {
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => {});
  socket.resume();
  socket.write(Buffer.concat([PREFACE, frame(frameType.settings, 0, 0)]));
  return socket;
}
