/**
 * Run as a process of its own, so that its memory is nobody else's: a peer with real pieces and a large torrent. Says
 * over IPC where it listens and, whenever it is asked, its figures. The argument is its limits, as JSON.
 */
import { MemoryPieceStore } from "#core/ports/store.ts";
import { startServing } from "../../../server/peer/serving/serving.ts";
import { makeTorrent } from "../swarms/made-torrent.ts";

const MiB = 1 << 20;

export interface Settings {
  readonly limits?: Readonly<Record<string, number>>;
  readonly maxInFlightBytes?: number;
  /** Reads of pieces never end. */
  readonly hangs?: boolean;
}

export interface Figures {
  readonly rssBytes: number;
  /** Reads of pieces that have begun. */
  readonly reads: number;
}

const { limits, hangs = false, maxInFlightBytes }: Settings = JSON.parse(process.argv[2] ?? "{}");
let reads = 0;

class CountingStore extends MemoryPieceStore {
  override read(...args: Parameters<MemoryPieceStore["read"]>): Promise<Uint8Array> {
    reads++;
    return hangs ? new Promise(() => {}) : super.read(...args);
  }
}

const made = await makeTorrent({ length: 16 * MiB, pieceLength: MiB });
const store = new CountingStore(made.geometry);
for (const index of made.geometry.indices()) {
  store.write(index, 0, made.bytes(index));
  store.commit(index);
}
const options = { port: 0, limits, maxInFlightBytes };
const { server, torrents } = await startServing(options);
torrents.add(made.torrent, store);
// Its message has more than 2 MB.
const large = { ...made.torrent, pieces: Array(32_768).fill("ab".repeat(32)), infoHash: "cd".repeat(32) };
torrents.add(large, store);

process.on("message", () => {
  const figures: Figures = { rssBytes: process.memoryUsage.rss(), reads };
  process.send!(figures);
});
process.send!({ port: server.port, infoHash: made.torrent.infoHash, hashes: made.torrent.pieces });
