import type { Catalog, TorrentSummary } from "#core/ports/catalog.ts";
import { withCatalog } from "../clients/clients.ts";
import { table } from "../line/table.ts";
import { formatBytes } from "../line/units.ts";
import type { VerbInvocation } from "../line/verb-options.ts";

const PAGE_SIZE = 1_000;

export async function runLs({ args, flags, out, signal }: VerbInvocation<"ls">): Promise<void> {
  const torrents = await withCatalog(flags.catalog, flags, signal, (catalog) =>
    listAll(catalog, args[0] ?? "", signal),
  );
  if (out.json) for (const torrent of torrents) out.event("torrent", torrentFields(torrent));
  else if (torrents.length === 0) out.note(`${flags.catalog} has no such torrent`);
  else out.text(...table([["NAME", "SIZE", "PIECES", "INFO HASH", "COMMENT"], ...torrents.map(row)], [1, 2]));
}

async function listAll(catalog: Catalog, search: string, signal: AbortSignal): Promise<TorrentSummary[]> {
  const torrents: TorrentSummary[] = [];
  let pageToken = "";
  do {
    const page = await catalog.list({ search, pageSize: PAGE_SIZE, pageToken }, signal);
    torrents.push(...page.torrents);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return torrents;
}

function row(torrent: TorrentSummary): string[] {
  const size = torrent.length === undefined ? "?" : formatBytes(torrent.length);
  return [torrent.name, size, String(torrent.totalPieces), torrent.infoHash.slice(0, 12), torrent.comment];
}

function torrentFields(torrent: TorrentSummary): Record<string, unknown> {
  return {
    name: torrent.name,
    info_hash: torrent.infoHash,
    file_name: torrent.fileName,
    total_pieces: torrent.totalPieces,
    length: torrent.length,
    piece_length: torrent.pieceLength,
    file_count: torrent.fileCount,
    comment: torrent.comment,
    created_at: torrent.createdAt,
  };
}
