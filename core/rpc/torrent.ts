import { create } from "@bufbuild/protobuf";
import { type Torrent as TorrentMessage, TorrentSchema } from "../../gen/pieza/v1/torrent_pb.ts";
import type { Torrent } from "../torrent/torrent.ts";

/** Messages in use. A torrent with many pieces has one of 20 MB, and a hundred callers must not have one each. */
const underWay = new WeakMap<Torrent, WeakRef<TorrentMessage>>();

/** The Torrent message. Shared by callers, which must not change it. */
export function torrentToMessage(torrent: Torrent): TorrentMessage {
  const known = underWay.get(torrent)?.deref();
  if (known) return known;
  const message = create(TorrentSchema, {
    fileName: torrent.fileName,
    totalPieces: torrent.pieces.length,
    pieces: torrent.pieces.map((hash, index) => ({ number: index + 1, hash })),
    ...(torrent.lengths && {
      length: BigInt(torrent.lengths.length),
      pieceLength: torrent.lengths.pieceLength,
    }),
    infoHash: torrent.infoHash,
    files: torrent.files?.map(({ path, length }) => ({ path, length: BigInt(length) })) ?? [],
    trackers: [...torrent.trackers],
    comment: torrent.comment ?? "",
    createdAt: torrent.createdAt ?? "",
    ...(torrent.replicationTarget !== undefined && { replicationTarget: torrent.replicationTarget }),
    ...(torrent.bittorrent && { bittorrent: { pieceSha1: torrent.bittorrent.pieceSha1 } }),
  });
  underWay.set(torrent, new WeakRef(message));
  return message;
}
