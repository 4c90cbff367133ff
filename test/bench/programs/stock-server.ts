/**
 * A peer as anybody would write it with the library: GetPiece from a file over h2c. Only compression is off, because
 * random bytes are all that it would compress here. Run by download.ts: stock-server.ts FILE TORRENT.json; prints
 * "ready PORT".
 */
import { open } from "node:fs/promises";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { readTorrentJson } from "../../support/swarms/local-swarm.ts";

const [path = "", torrentPath = ""] = process.argv.slice(2);
const { piece_length: pieceLength, length } = await readTorrentJson(torrentPath);
const file = await open(path);

const handler = connectNodeAdapter({
  acceptCompression: [],
  routes: (router) =>
    router.service(PeerService, {
      async getPiece({ number }) {
        const offset = (number - 1) * pieceLength;
        const data = new Uint8Array(Math.min(pieceLength, length - offset));
        await file.read(data, 0, data.length, offset);
        return { data };
      },
    }),
});

const server = createServer(handler);
server.listen(0, "127.0.0.1", () => console.log(`ready ${(server.address() as AddressInfo).port}`));
