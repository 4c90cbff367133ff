import type { ServiceImpl } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { PeerService } from "#gen/tracker_pb.ts";
import { served } from "../../../../server/http/handling/served-service.ts";
import { type RunningServer, startServer } from "../../../../server/http/listening/server.ts";
import { dialHasPiece } from "../../../../server/tracker/legacy/legacy-prober.ts";

const never = new AbortController().signal;
const servers: RunningServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close({ graceMs: 0 });
});

async function serve(service: Partial<ServiceImpl<typeof PeerService>>): Promise<string> {
  const server = await startServer({ port: 0, services: [served(PeerService, service)] });
  servers.push(server);
  return server.url;
}

describe("a probe of a legacy peer", () => {
  it("asks for what it is told to, and believes yes and no", async () => {
    const url = await serve({
      hasPiece: ({ fileName, pieceNumber }) => ({ hasPiece: fileName === "file.txt" && pieceNumber === 2 }),
    });
    expect(await dialHasPiece(url, "file.txt", 2, never)).toBe(true);
    expect(await dialHasPiece(url, "file.txt", 3, never)).toBe(false);
  });

  it("takes an error, an endless wait and a closed port for no", async () => {
    const silent = await serve({ hasPiece: () => new Promise(() => {}) });
    expect(await dialHasPiece(await serve({}), "file.txt", 1, never)).toBe(false);
    expect(await dialHasPiece(silent, "file.txt", 1, never)).toBe(false);
    const gone = await serve({ hasPiece: () => ({ hasPiece: true }) });
    await servers.pop()!.close({ graceMs: 0 });
    expect(await dialHasPiece(gone, "file.txt", 1, never)).toBe(false);
  });

  it("ends when the tracker closes", async () => {
    const asked = Promise.withResolvers<void>();
    const url = await serve({
      hasPiece() {
        asked.resolve();
        return new Promise(() => {});
      },
    });
    const closing = new AbortController();
    const probe = dialHasPiece(url, "file.txt", 1, closing.signal);
    await asked.promise;
    closing.abort();
    expect(await probe).toBe(false);
  });
});
