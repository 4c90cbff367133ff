import { createHash } from "node:crypto";
import type { Torrent } from "#core/torrent/torrent.ts";
import { parseTorrent, type TorrentJson } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../../../server/base/node-hasher.ts";

/** A torrent in the legacy form with one piece, which holds `content`. */
export function legacyTorrent(
  fileName: string,
  content = "a",
  said: Partial<TorrentJson> = {},
): Promise<Torrent> {
  const hash = createHash("sha256").update(content).digest("hex");
  return parseTorrent(
    { file_name: fileName, total_pieces: 1, pieces: [{ number: 1, hash }], ...said },
    nodeHasher,
  );
}
