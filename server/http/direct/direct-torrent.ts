import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import { EncodedTorrents } from "#core/rpc/encoded-torrents.ts";
import { lengthField, lengthPrefix } from "#core/rpc/wire.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { writeTorrentMessage } from "../../base/long-torrents.ts";
import { type DirectMethod, directMethod } from "./direct.ts";

/** The answer to GetTorrent. Only a catalog sends the name. */
export interface TorrentAnswer {
  readonly torrent: Torrent;
  readonly name?: string;
}

/**
 * GetTorrent of a catalog or a peer, answered with the stored encoding of each torrent, in the same bytes that the
 * library would send. The method fails with the errors of `find`.
 */
export function directGetTorrent<Input extends DescMessage>(
  method: DescMethod & { input: Input },
  find: (request: MessageShape<Input>) => TorrentAnswer | Promise<TorrentAnswer>,
): DirectMethod {
  const encoded = new EncodedTorrents(writeTorrentMessage);
  const fieldOf = (name: string) => method.output.field[name]!.number;
  return directMethod(method, async (request) => {
    const { torrent, name } = await find(request);
    const bytes = await encoded.bytesOf(torrent);
    const before = name === undefined ? [] : lengthField(fieldOf("name"), name);
    const head = Uint8Array.from([...before, ...lengthPrefix(fieldOf("torrent"), bytes.length)]);
    return { parts: [head, bytes], headers: { "cache-control": "no-store" } };
  });
}
