import { create } from "@bufbuild/protobuf";
import { type Torrent as TorrentMessage, TorrentSchema } from "../gen/pieza/v1/torrent_pb.ts";
import { InvalidField } from "./errors.ts";
import type { Hasher } from "./hash.ts";
import type { Torrent } from "./torrent.ts";
import { parseTorrent } from "./torrent-json.ts";

/**
 * A torrent that came over the wire, checked by the same rules as one from a file. Fails with InvalidField naming the
 * field. The info hash is checked where the message has one.
 */
export async function torrentFromMessage(
  message: TorrentMessage | undefined,
  hasher: Hasher,
): Promise<Torrent> {
  if (message === undefined) throw new InvalidField("torrent", "is missing");
  return parseTorrent(
    {
      file_name: message.fileName,
      total_pieces: message.totalPieces,
      pieces: message.pieces.map(({ number, hash }) => ({ number, hash })),
      ...(message.length !== undefined && { length: fileNumber(message.length) }),
      ...(message.pieceLength !== undefined && { piece_length: message.pieceLength }),
      ...(message.infoHash !== "" && { info_hash: message.infoHash }),
      ...(message.files.length > 0 && {
        files: message.files.map(({ path, length }) => ({ path, length: fileNumber(length) })),
      }),
      ...(message.trackers.length > 0 && { trackers: message.trackers }),
      ...(message.comment !== "" && { comment: message.comment }),
      ...(message.createdAt !== "" && { created_at: message.createdAt }),
      ...(message.replicationTarget !== undefined && { replication_target: message.replicationTarget }),
    },
    hasher,
  );
}

/** Messages that calls have under way: of a torrent with many pieces one has 20 MB, and a hundred callers one each. */
const underWay = new WeakMap<Torrent, WeakRef<TorrentMessage>>();

/** Not to be changed: others may have the same message. */
export function torrentToMessage(torrent: Torrent): TorrentMessage {
  const known = underWay.get(torrent)?.deref();
  if (known) return known;
  const message = makeMessage(torrent);
  underWay.set(torrent, new WeakRef(message));
  return message;
}

function makeMessage(torrent: Torrent): TorrentMessage {
  return create(TorrentSchema, {
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
  });
}

/** Past 2^53 the number is wrong, but so it is for every rule that will look at it. */
function fileNumber(length: bigint): number {
  return Number(length);
}
