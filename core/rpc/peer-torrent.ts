import { createClient, type Transport } from "@connectrpc/connect";
import { PeerService } from "../../gen/pieza/v1/peer_pb.ts";
import { PiezaError } from "../base/errors.ts";
import type { Hasher } from "../base/hash.ts";
import type { Torrent } from "../torrent/torrent.ts";
import { calling, TORRENT_TIMEOUT_MS } from "./call.ts";
import { torrentFromMessage } from "./torrent-fields.ts";

/**
 * Fetches the torrent of this info hash from a peer in its swarm. The info hash does not cover trackers, comment and
 * replication target: these are only the peer's word. Fails with PiezaError.
 */
export function torrentFromPeer(
  transport: Transport,
  infoHash: string,
  hasher: Hasher,
  signal: AbortSignal,
): Promise<Torrent> {
  const client = createClient(PeerService, transport);
  return calling(signal, async () => {
    const answer = await client.getTorrent({ infoHash }, { signal, timeoutMs: TORRENT_TIMEOUT_MS });
    const torrent = await torrentFromMessage(answer.torrent, hasher);
    if (torrent.infoHash === infoHash) return torrent;
    throw new PiezaError("internal", "the peer answered with another torrent");
  });
}
