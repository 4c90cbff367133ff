import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { InvalidField } from "#core/base/errors.ts";
import { torrentToMessage } from "#core/rpc/torrent.ts";
import { torrentFromMessage } from "#core/rpc/torrent-fields.ts";
import type { CatalogService, GetTorrentRequest } from "#gen/pieza/v1/catalog_pb.ts";
import { nodeHasher } from "../base/node-hasher.ts";
import { requireToken } from "../http/guards/token.ts";
import type { TorrentKey } from "./directory-index.ts";
import type { ListedTorrent } from "./listing.ts";
import type { TorrentDirectory } from "./torrent-directory.ts";

export interface CatalogServiceParts {
  readonly torrents: TorrentDirectory;
  /** The token that publishers send; undefined lets anyone publish and delete. */
  readonly token: string | undefined;
}

/** The catalog's RPCs: checks the token of changes, and translates between messages and the directory. */
export function catalogService({ torrents, token }: CatalogServiceParts): ServiceImpl<typeof CatalogService> {
  const checkAuthority = (context: HandlerContext) => requireToken(token, context.values);
  return {
    async listTorrents(query) {
      const page = await torrents.list(query);
      return { ...page, torrents: page.torrents.map(summaryMessage) };
    },

    async getTorrent(request) {
      const { name, torrent } = await torrents.get(keyOf(request));
      return { name, torrent: torrentToMessage(torrent) };
    },

    async publishTorrent({ name, torrent: message, replace }, context) {
      checkAuthority(context);
      const torrent = await torrentFromMessage(message, nodeHasher);
      const published = await torrents.publish(torrent, { ...(name !== "" && { name }), replace });
      return { ...published, infoHash: torrent.infoHash };
    },

    async deleteTorrent({ name }, context) {
      checkAuthority(context);
      await torrents.delete(name);
      return {};
    },
  };
}

/** The key of a request. Throws InvalidField if it has none. */
export function keyOf({ key }: GetTorrentRequest): TorrentKey {
  if (key.case === undefined) throw new InvalidField("key", "must be a name or an info_hash");
  return key.case === "name" ? { name: key.value } : { infoHash: key.value };
}

function summaryMessage({ length, pieceLength, replicationTarget, ...summary }: ListedTorrent) {
  return {
    ...summary,
    ...(length !== undefined && { length: BigInt(length) }),
    ...(pieceLength !== undefined && { pieceLength }),
    ...(replicationTarget !== undefined && { replicationTarget }),
  };
}
