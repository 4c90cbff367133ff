import type { ServiceImpl } from "@connectrpc/connect";
import { InvalidField } from "#core/base/errors.ts";
import { torrentToMessage } from "#core/rpc/torrent.ts";
import { checkTrackers } from "#core/torrent/torrent-remarks.ts";
import type { CatalogService, GetTorrentRequest } from "#gen/pieza/v1/catalog_pb.ts";
import { readTorrentMessage } from "../base/long-torrents.ts";
import { kCallerAddress } from "../http/base/context.ts";
import type { AnswerRate } from "../http/guards/answer-rate.ts";
import { tokenAuthority } from "../http/guards/token.ts";
import type { ServiceOptions } from "../http/handling/served-service.ts";
import type { TorrentKey } from "./directory-index.ts";
import type { ListedTorrent } from "./listing.ts";
import type { TorrentDirectory } from "./torrent-directory.ts";

/** The largest torrent that PublishTorrent takes, in bytes of its message. */
const MAX_TORRENT_BYTES = 16 << 20;

/** What calls of the catalog are held to. `token`: what publishers send; undefined: everybody may publish and delete. */
export function catalogPolicies(token: string | undefined): Policies {
  const authority = tokenAuthority(token);
  return { publishTorrent: { requestBytes: MAX_TORRENT_BYTES, authority }, deleteTorrent: { authority } };
}

type Policies = NonNullable<ServiceOptions<typeof CatalogService>["policies"]>;

/** Bytes that each piece and file of an answer in JSON costs its caller: it takes longer to make than to send. */
const ENTRY_COSTS = 256;

/** Translates between the wire and the directory. `answers`: the rate that whole torrents in JSON are charged to. */
export function catalogService(
  torrents: TorrentDirectory,
  answers?: AnswerRate,
): ServiceImpl<typeof CatalogService> {
  return {
    async listTorrents(query) {
      const page = await torrents.list(query);
      return { ...page, torrents: page.torrents.map(summaryMessage) };
    },

    async getTorrent(request, { values }) {
      const key = keyOf(request);
      const caller = values.get(kCallerAddress);
      answers?.admit(caller);
      const { name, torrent } = await torrents.get(key);
      answers?.charge(caller, ENTRY_COSTS * (torrent.pieces.length + (torrent.files?.length ?? 0)));
      return { name, torrent: torrentToMessage(torrent) };
    },

    async publishTorrent({ name, torrent: message, replace }) {
      checkTrackers(message?.trackers);
      const torrent = await readTorrentMessage(message);
      const published = await torrents.publish(torrent, { ...(name !== "" && { name }), replace });
      return { ...published, infoHash: torrent.infoHash };
    },

    async deleteTorrent({ name }) {
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
