import { type DescMessage, type DescMethod, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { EncodedTorrents } from "#core/rpc/encoded-torrents.ts";
import { lengthField, lengthPrefix } from "#core/rpc/wire.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { DirectMethod } from "./direct.ts";

/** What an answer to GetTorrent says; its name is a catalog's. */
export interface TorrentAnswer {
  readonly torrent: Torrent;
  readonly name?: string;
}

/**
 * GetTorrent, of a catalog or a peer, from torrents that are encoded already: the bytes that the service would answer
 * with. What `find` throws is the service's to say.
 */
export function directGetTorrent<Input extends DescMessage>(
  { input, output }: DescMethod & { input: Input },
  find: (request: MessageShape<Input>) => TorrentAnswer | Promise<TorrentAnswer>,
): DirectMethod {
  const encoded = new EncodedTorrents();
  const fieldOf = (name: string) => output.field[name]!.number;
  return async (message) => {
    const request = decode(input, message);
    if (!request) return undefined;
    const { torrent, name } = await find(request);
    const bytes = encoded.bytesOf(torrent);
    const before = name === undefined ? [] : lengthField(fieldOf("name"), name);
    const head = Uint8Array.from([...before, ...lengthPrefix(fieldOf("torrent"), bytes.length)]);
    return { parts: [head, bytes], headers: { "cache-control": "no-store" } };
  };
}

/** Undefined for what is no such message: the library says so. */
function decode<Desc extends DescMessage>(schema: Desc, message: Uint8Array): MessageShape<Desc> | undefined {
  try {
    return fromBinary(schema, message);
  } catch {
    return undefined;
  }
}
