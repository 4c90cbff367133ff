import { encodeTorrent } from "#core/rpc/torrent.ts";
import { type TorrentFields, torrentFromMessage } from "#core/rpc/torrent-fields.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { parseTorrentText, torrentBytes } from "#core/torrent/torrent-json.ts";
import { LongWork } from "./long-work.ts";
import { nodeHasher } from "./node-hasher.ts";

/** Pieces and files of a torrent that is read and written at once, in about a millisecond. */
const SMALL_ENTRIES = 1_024;
const SMALL_CHARS = 128 << 10;

/** A torrent with the most pieces takes a quarter of a second, which must not delay other calls. */
const work = new LongWork();

/** torrentFromMessage, in slices that let other calls in. */
export function readTorrentMessage(message: TorrentFields | undefined): Promise<Torrent> {
  return work.run(
    (breathe) => torrentFromMessage(message, nodeHasher, breathe),
    !!message && isLong(message),
  );
}

/** parseTorrentText, in slices that let other calls in. */
export function readTorrentText(text: string): Promise<Torrent> {
  return work.run((breathe) => parseTorrentText(text, nodeHasher, breathe), text.length > SMALL_CHARS);
}

/** The torrent file's text in UTF-8, made in slices that let other calls in. Fails with InvalidField over 16 MiB. */
export function writeTorrentBytes(torrent: Torrent): Promise<Uint8Array> {
  return work.run((breathe) => torrentBytes(torrent, breathe), isLong(torrent));
}

/** The binary Torrent message, made in slices that let other calls in. */
export function writeTorrentMessage(torrent: Torrent): Promise<Uint8Array> {
  return work.run((breathe) => encodeTorrent(torrent, breathe), isLong(torrent));
}

function isLong({ pieces, files }: Torrent | TorrentFields): boolean {
  return pieces.length + (files?.length ?? 0) > SMALL_ENTRIES;
}
