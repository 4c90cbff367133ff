import { request } from "node:http";
import { createClient } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { PeerService } from "#gen/tracker_pb.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { type Serving, startServing } from "../../../../server/peer/serving/serving.ts";
import { type MadeTorrent, type MakeOptions, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;

describe("a peer asked under the seed's contract", () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function start(): Promise<Serving> {
    const serving = await startServing({ port: 0 });
    ends.push(() => serving.server.close({ graceMs: 0 }));
    return serving;
  }

  /** Serves pieces 1 and 3 of three, the last of 100 bytes. */
  async function serve(serving: Serving, options: MakeOptions = {}): Promise<MadeTorrent> {
    const made = await makeTorrent({ length: 2 * PIECE + 100, fileName: "shakira.mp3", ...options });
    const store = new MemoryPieceStore(made.geometry);
    for (const n of [0, 2]) {
      store.write(made.at(n), 0, made.bytes(n));
      store.commit(made.at(n));
    }
    serving.torrents.add(made.torrent, store);
    return made;
  }

  function client({ server }: Serving, kind: "grpc" | "grpc-web" | "connect" = "grpc") {
    const { transport, close } = openTransport(server.url, kind);
    ends.push(close);
    return createClient(PeerService, transport);
  }

  const ask = (pieceNumber: number, fileName = "shakira.mp3") => ({ fileName, pieceNumber });

  it.each(["grpc", "grpc-web", "connect"] as const)(
    "gives the pieces that it says it has, over %s",
    async (kind) => {
      const serving = await start();
      const made = await serve(serving);
      const calls = client(serving, kind);
      for (const number of [1, 3]) {
        expect(await calls.hasPiece(ask(number))).toMatchObject({ hasPiece: true });
        const { data } = await calls.downloadPiece(ask(number));
        expect(Buffer.compare(data, made.bytes(number - 1))).toBe(0);
      }
      const counts = serving.torrents.get(made.torrent.infoHash)!.counts;
      expect([...counts].sort()).toEqual([
        [0, { requests: 1, bytes: PIECE }],
        [2, { requests: 1, bytes: 100 }],
      ]);
    },
  );

  it("has no piece that it lacks, that there is not, or of a file that it does not know", async () => {
    const serving = await start();
    await serve(serving);
    const calls = client(serving);
    for (const question of [ask(2), ask(0), ask(-1), ask(4), ask(2 ** 31 - 1), ask(1, "../shakira.mp3")]) {
      expect(await calls.hasPiece(question)).toMatchObject({ hasPiece: false });
    }
  });

  it.each([
    [ask(2), "[not_found] piece 2 is not held here"],
    [ask(4), "[out_of_range] there is no piece 4"],
    [ask(-1), "[out_of_range] there is no piece -1"],
    [ask(1, "/etc/passwd"), "[not_found]"],
    [ask(1, ""), "[invalid_argument] file_name: must not be empty"],
  ])("says why it does not give %o", async (question, words) => {
    const serving = await start();
    await serve(serving);
    await expect(client(serving).downloadPiece(question)).rejects.toThrow(words);
  });

  it("does not choose between two torrents of one name, until one is gone", async () => {
    const serving = await start();
    const made = await serve(serving);
    const other = await serve(serving, { seed: 2 });
    const calls = client(serving);
    await expect(calls.hasPiece(ask(1))).rejects.toThrow("[failed_precondition]");
    await expect(calls.downloadPiece(ask(1))).rejects.toThrow("[failed_precondition]");
    serving.torrents.remove(other.torrent.infoHash);
    expect(Buffer.compare((await calls.downloadPiece(ask(1))).data, made.bytes(0))).toBe(0);
  });

  it("lets nothing be kept or compressed: a name may stand for other bytes tomorrow", async () => {
    const serving = await start();
    await serve(serving);
    const { headers } = await new Promise<{ headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
      const call = request(`${serving.server.url}/tracker.PeerService/DownloadPiece`, {
        method: "POST",
        headers: { "content-type": "application/json", "accept-encoding": "gzip" },
      });
      call.once("error", reject).once("response", (answer) => resolve(answer.resume()));
      call.end(JSON.stringify({ file_name: "shakira.mp3", piece_number: 1 }));
    });
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers.etag).toBeUndefined();
    expect(headers["content-encoding"]).toBeUndefined();
  });
});
