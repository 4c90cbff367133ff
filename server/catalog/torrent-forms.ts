import { metalinkText } from "#core/content/metalink.ts";
import { EncodedTorrents } from "#core/rpc/encoded-torrents.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { writeTorrentBytes } from "../base/long-torrents.ts";

/** A form in which a catalog gives its torrents. */
export interface TorrentForm {
  /** Of the path, such as ".json". */
  readonly extension: string;
  /** The media type. */
  readonly type: string;
  /** The torrent in this form. Throws not_found if it has none. The bytes are shared: do not change them. */
  bytesOf(torrent: Torrent): Uint8Array | Promise<Uint8Array>;
}

/** The forms of GET /files/<name>.<extension>. `gateways` may grow later. */
export function torrentForms(gateways: readonly string[]): readonly TorrentForm[] {
  const json = new EncodedTorrents(writeTorrentBytes);
  return [
    {
      extension: ".json",
      type: "application/json; charset=utf-8",
      bytesOf: (torrent) => json.bytesOf(torrent),
    },
    {
      extension: ".meta4",
      type: "application/metalink4+xml",
      bytesOf: withGateways(gateways, metalinkText),
    },
  ];
}

/** Keeps what was encoded until there is another gateway. */
function withGateways(
  gateways: readonly string[],
  text: (torrent: Torrent, gateways: readonly string[]) => string | Uint8Array,
): (torrent: Torrent) => Uint8Array | Promise<Uint8Array> {
  let count = -1;
  let kept: EncodedTorrents;
  return (torrent) => {
    if (count !== gateways.length)
      kept = new EncodedTorrents(async (each) => Buffer.from(text(each, gateways)));
    count = gateways.length;
    return kept.bytesOf(torrent);
  };
}
