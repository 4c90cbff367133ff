import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Torrent as TorrentMessage, TorrentSchema } from "../../gen/pieza/v1/torrent_pb.ts";
import type { Breathe } from "../base/breathe.ts";
import { joinBytes } from "../base/bytes.ts";
import type { Torrent } from "../torrent/torrent.ts";

/** Messages in use. A torrent with many pieces has one of 20 MB, and a hundred callers must not have one each. */
const underWay = new WeakMap<Torrent, WeakRef<TorrentMessage>>();

/** The Torrent message. Shared by callers, which must not change it. */
export function torrentToMessage(torrent: Torrent): TorrentMessage {
  const known = underWay.get(torrent)?.deref();
  if (known) return known;
  const message = create(TorrentSchema, {
    ...fieldsOf(torrent),
    pieces: torrent.pieces.map((hash, index) => ({ number: index + 1, hash })),
    files: torrent.files?.map(({ path, length }) => ({ path, length: BigInt(length) })) ?? [],
  });
  underWay.set(torrent, new WeakRef(message));
  return message;
}

/** The fields of the message without those that may be long. */
function fieldsOf(torrent: Torrent) {
  const { lengths, replicationTarget, bittorrent } = torrent;
  return {
    fileName: torrent.fileName,
    totalPieces: torrent.pieces.length,
    ...(lengths && { length: BigInt(lengths.length), pieceLength: lengths.pieceLength }),
    infoHash: torrent.infoHash,
    trackers: [...torrent.trackers],
    comment: torrent.comment ?? "",
    createdAt: torrent.createdAt ?? "",
    ...(replicationTarget !== undefined && { replicationTarget }),
    ...(bittorrent && { bittorrent: { pieceSha1: bittorrent.pieceSha1 } }),
  };
}

/** Pieces or files that are encoded between two breaths. */
const AT_ONCE = 512;

/**
 * The bytes of the Torrent message, the same that the library makes of the whole, in slices with breaths in between.
 * Messages one after the other are one message, and the library writes fields by number.
 */
export async function encodeTorrent(torrent: Torrent, breathe: Breathe): Promise<Uint8Array> {
  const { pieces, files = [] } = torrent;
  const rest = fieldsOf(torrent);
  const { fileName, totalPieces, length, pieceLength, infoHash } = rest;
  const parts = [encoded({ fileName, totalPieces })];
  for (let at = 0; at < pieces.length; at += AT_ONCE) {
    const some = pieces.slice(at, at + AT_ONCE).map((hash, n) => ({ number: at + n + 1, hash }));
    parts.push(encoded({ pieces: some }));
    await breathe();
  }
  parts.push(encoded({ ...(length !== undefined && { length, pieceLength: pieceLength! }), infoHash }));
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const some = files.slice(at, at + AT_ONCE).map(({ path, length }) => ({ path, length: BigInt(length) }));
    parts.push(encoded({ files: some }));
    await breathe();
  }
  const { trackers, comment, createdAt, replicationTarget, bittorrent } = rest;
  const last = {
    ...(replicationTarget !== undefined && { replicationTarget }),
    ...(bittorrent && { bittorrent }),
  };
  parts.push(encoded({ trackers, comment, createdAt, ...last }));
  return joinBytes(parts);
}

function encoded(part: MessageInitShape<typeof TorrentSchema>): Uint8Array {
  return toBinary(TorrentSchema, create(TorrentSchema, part));
}
