import { neverBreathe } from "../base/breathe.ts";
import { InvalidField } from "../base/errors.ts";
import type { Hasher } from "../base/hash.ts";
import type { Torrent } from "../torrent/torrent.ts";
import { parseTorrent } from "../torrent/torrent-json.ts";

/** A Torrent message, from the library or from our own decoder. */
export interface TorrentFields {
  readonly fileName: string;
  readonly totalPieces: number;
  readonly pieces: readonly { readonly number: number; readonly hash: string }[];
  readonly length?: bigint | number | undefined;
  readonly pieceLength?: number | undefined;
  readonly infoHash: string;
  readonly files: readonly { readonly path: string; readonly length: bigint | number }[];
  readonly trackers: readonly string[];
  readonly comment: string;
  readonly createdAt: string;
  readonly replicationTarget?: number | undefined;
  readonly bittorrent?: { readonly pieceSha1: string } | undefined;
}

/** Makes a Torrent from a message, by the rules of a torrent file. Fails with InvalidField, which names the field. */
export async function torrentFromMessage(
  message: TorrentFields | undefined,
  hasher: Hasher,
  breathe = neverBreathe,
): Promise<Torrent> {
  if (message === undefined) throw new InvalidField("torrent", "is missing");
  return parseTorrent(
    {
      file_name: message.fileName,
      total_pieces: message.totalPieces,
      pieces: message.pieces,
      length: message.length === undefined ? undefined : Number(message.length),
      piece_length: message.pieceLength,
      info_hash: message.infoHash || undefined,
      // Past 2^53 a length is wrong, but then every rule refuses it.
      files: message.files.length === 0 ? undefined : message.files.map(fileOf),
      trackers: message.trackers,
      comment: message.comment,
      created_at: message.createdAt,
      replication_target: message.replicationTarget,
      bittorrent: message.bittorrent && { piece_sha1: message.bittorrent.pieceSha1 },
    },
    hasher,
    breathe,
  );
}

function fileOf({ path, length }: TorrentFields["files"][number]) {
  return { path, length: Number(length) };
}
