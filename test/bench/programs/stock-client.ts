/**
 * A client as anybody would write it with the library, its windows and connections as they come: gRPC, eight pieces in
 * flight, each checked and written at its place. Run by download.ts: stock-client.ts URL TORRENT.json OUTPUT
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { readTorrentJson } from "../../support/swarms/local-swarm.ts";

const IN_FLIGHT = 8;

const [url = "", torrentPath = "", outputPath = ""] = process.argv.slice(2);
const torrent = await readTorrentJson(torrentPath);
const client = createClient(PeerService, createGrpcTransport({ baseUrl: url }));
const output = await open(outputPath, "w");
const pieces = torrent.pieces.values();

async function work(): Promise<void> {
  for (const { number, hash } of pieces) {
    const { data } = await client.getPiece({ infoHash: torrent.info_hash, number });
    if (createHash("sha256").update(data).digest("hex") !== hash) throw new Error(`piece ${number} is wrong`);
    await output.write(data, 0, data.length, (number - 1) * torrent.piece_length);
  }
}

await Promise.all(Array.from({ length: IN_FLIGHT }, work));
await output.close();
// The library keeps its connection, and with it the process.
process.exit();
