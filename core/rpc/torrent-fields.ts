import { InvalidField } from "../base/errors.ts";
import type { Hasher } from "../base/hash.ts";
import type { Torrent } from "../torrent/torrent.ts";
import { parseTorrent } from "../torrent/torrent-json.ts";

/** The Torrent message, whoever has read it. */
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
}

/**
 * A torrent that came over the wire, checked by the same rules as one from a file. Fails with InvalidField naming the
 * field. The info hash is checked where the message has one.
 */
export async function torrentFromMessage(
  message: TorrentFields | undefined,
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
      ...(message.trackers.length > 0 && { trackers: [...message.trackers] }),
      ...(message.comment !== "" && { comment: message.comment }),
      ...(message.createdAt !== "" && { created_at: message.createdAt }),
      ...(message.replicationTarget !== undefined && { replication_target: message.replicationTarget }),
    },
    hasher,
  );
}

/** Past 2^53 the number is wrong, but so it is for every rule that will look at it. */
function fileNumber(length: bigint | number): number {
  return Number(length);
}
