import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import { EncodedTorrents } from "#core/rpc/encoded-torrents.ts";
import { lengthField, lengthPrefix } from "#core/rpc/wire.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { type DirectMethod, directMethod } from "./direct.ts";

/** What an answer to GetTorrent says. Only a catalog names its torrents. */
export interface TorrentAnswer {
  readonly torrent: Torrent;
  readonly name?: string;
}

/**
 * GetTorrent of a catalog or a peer, from torrents that are encoded already: the bytes that the service would answer
 * with. Throws what `find` throws.
 */
export function directGetTorrent<Input extends DescMessage>(
  method: DescMethod & { input: Input },
  find: (request: MessageShape<Input>) => TorrentAnswer | Promise<TorrentAnswer>,
): DirectMethod {
  const encoded = new EncodedTorrents();
  const fieldOf = (name: string) => method.output.field[name]!.number;
  return directMethod(method, async (request) => {
    const { torrent, name } = await find(request);
    const bytes = encoded.bytesOf(torrent);
    const before = name === undefined ? [] : lengthField(fieldOf("name"), name);
    const head = Uint8Array.from([...before, ...lengthPrefix(fieldOf("torrent"), bytes.length)]);
    return { parts: [head, bytes], headers: { "cache-control": "no-store" } };
  });
}
