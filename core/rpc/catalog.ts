import { createClient } from "@connectrpc/connect";
import { CatalogService, type TorrentSummary as SummaryMessage } from "../../gen/pieza/v1/catalog_pb.ts";
import type { Breathe } from "../base/breathe.ts";
import { PiezaError } from "../base/errors.ts";
import type { Hasher } from "../base/hash.ts";
import type { Catalog, TorrentSummary } from "../ports/catalog.ts";
import { authorized, calling, type RemoteOptions, SMALL_TIMEOUT_MS, TORRENT_TIMEOUT_MS } from "./call.ts";
import { torrentToMessage } from "./torrent.ts";
import { torrentFromMessage } from "./torrent-fields.ts";

export interface RemoteCatalogOptions extends RemoteOptions {
  readonly hasher: Hasher;
  /** Lets other events in while a large torrent is checked. Default: the caller's thread may be held. */
  readonly breathe?: Breathe | undefined;
  /** The catalog's bearer token, sent with `publish` and `delete` only. */
  readonly token?: string | undefined;
}

export function remoteCatalog({ url, transport, hasher, breathe, token }: RemoteCatalogOptions): Catalog {
  const client = createClient(CatalogService, transport);
  const authority = authorized(token);

  return {
    url,
    list: (query, signal) =>
      calling(signal, async () => {
        const answer = await client.listTorrents(query, until(signal, SMALL_TIMEOUT_MS));
        const { torrents, nextPageToken, totalSize } = answer;
        return { torrents: torrents.map(summaryOf), nextPageToken, totalSize };
      }),
    get: (key, signal) =>
      calling(signal, async () => {
        const wanted =
          "name" in key
            ? ({ case: "name", value: key.name } as const)
            : ({ case: "infoHash", value: key.infoHash } as const);
        const answer = await client.getTorrent({ key: wanted }, until(signal, TORRENT_TIMEOUT_MS));
        const torrent = await torrentFromMessage(answer.torrent, hasher, breathe);
        if ("infoHash" in key && torrent.infoHash !== key.infoHash.toLowerCase())
          throw new PiezaError("internal", "the catalog answered with another torrent");
        return { name: answer.name, torrent };
      }),
    publish: (torrent, { name, replace }, signal) =>
      calling(signal, async () => {
        const answer = await client.publishTorrent(
          { name: name ?? "", torrent: torrentToMessage(torrent), replace: replace ?? false },
          { ...until(signal, TORRENT_TIMEOUT_MS), ...authority },
        );
        return { name: answer.name, changed: answer.changed };
      }),
    delete: (name, signal) =>
      calling(signal, async () => {
        await client.deleteTorrent({ name }, { ...until(signal, SMALL_TIMEOUT_MS), ...authority });
      }),
    mayPublish: (signal) =>
      calling(signal, async () => {
        await client.publishTorrent({}, { ...until(signal, SMALL_TIMEOUT_MS), ...authority });
      }).catch((error: unknown) => {
        // The catalog looks at the torrent, which is missing, only after it has accepted the token.
        if (!(error instanceof PiezaError) || error.code !== "invalid_argument") throw error;
      }),
  };
}

function until(signal: AbortSignal | undefined, timeoutMs: number) {
  return { timeoutMs, ...(signal && { signal }) };
}

function summaryOf(message: SummaryMessage): TorrentSummary {
  return {
    name: message.name,
    infoHash: message.infoHash,
    fileName: message.fileName,
    totalPieces: message.totalPieces,
    length: message.length === undefined ? undefined : Number(message.length),
    pieceLength: message.pieceLength,
    fileCount: message.fileCount,
    comment: message.comment,
    createdAt: message.createdAt,
  };
}
