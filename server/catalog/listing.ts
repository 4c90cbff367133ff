import { InvalidField } from "#core/base/errors.ts";
import { checkName, foldName } from "#core/base/file-name.ts";
import type { CatalogPage, TorrentSummary } from "#core/ports/catalog.ts";
import { asText } from "#core/torrent/json-fields.ts";
import type { Torrent } from "#core/torrent/torrent.ts";

export const DEFAULT_PAGE_SIZE = 100;
export const MAX_PAGE_SIZE = 1_000;
/** Keeps an answer under the 4 MiB that clients take, even where every comment is as long as it may be. */
const MAX_PAGE_BYTES = 2 << 20;
const MAX_SEARCH_BYTES = 255;

/** A torrent as the list shows it. */
export interface ListedTorrent extends TorrentSummary {
  readonly replicationTarget?: number | undefined;
}

export interface ListQuery {
  readonly search?: string | undefined;
  /** 1 to 1,000; 0 or nothing means 100. */
  readonly pageSize?: number | undefined;
  readonly pageToken?: string | undefined;
}

export interface ListedPage extends CatalogPage {
  readonly torrents: readonly ListedTorrent[];
}

function summaryOf(name: string, torrent: Torrent): ListedTorrent {
  return {
    name,
    infoHash: torrent.infoHash,
    fileName: torrent.fileName,
    totalPieces: torrent.pieces.length,
    length: torrent.lengths?.length,
    pieceLength: torrent.lengths?.pieceLength,
    fileCount: torrent.files?.length ?? 0,
    comment: torrent.comment ?? "",
    createdAt: torrent.createdAt ?? "",
    replicationTarget: torrent.replicationTarget,
  };
}

/** A torrent with the texts that order and search look at, folded once. */
export interface Listing {
  readonly summary: ListedTorrent;
  /** The name's; no two of a catalog are equal. */
  readonly key: string;
  readonly texts: readonly string[];
}

export function listingOf(name: string, torrent: Torrent): Listing {
  const summary = summaryOf(name, torrent);
  const key = foldName(name);
  return { summary, key, texts: [key, foldName(summary.fileName), foldName(summary.comment)] };
}

/** The order of a list, in which case and normal form of a name do not count. */
export function byKey(a: Listing, b: Listing): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

/**
 * One page of `all`, which is in the order of byKey. A token tells the last name of the page before, so that torrents
 * that come and go between two pages make nobody else appear twice or not at all. Throws InvalidField.
 */
export function pageOf(all: readonly Listing[], query: ListQuery): ListedPage {
  const pageSize = query.pageSize || DEFAULT_PAGE_SIZE;
  if (pageSize > MAX_PAGE_SIZE) throw new InvalidField("page_size", `must be at most ${MAX_PAGE_SIZE}`);
  const search = asText(query.search ?? "", "search", MAX_SEARCH_BYTES);
  const matches = search === "" ? all : all.filter(matching(search));
  const start = query.pageToken ? placeAfter(matches, foldName(nameOfToken(query.pageToken))) : 0;
  const torrents = upToBytes(matches.slice(start, start + pageSize).map(({ summary }) => summary));
  const isLast = start + torrents.length >= matches.length;
  return {
    torrents,
    nextPageToken: isLast ? "" : tokenOf(torrents.at(-1)!.name),
    totalSize: matches.length,
  };
}

function matching(search: string): (listing: Listing) => boolean {
  const part = foldName(search);
  const infoHash = search.toLowerCase();
  return ({ summary, texts }) =>
    summary.infoHash.startsWith(infoHash) || texts.some((text) => text.includes(part));
}

/** The first torrents that fit, at least one. */
function upToBytes(torrents: readonly ListedTorrent[]): readonly ListedTorrent[] {
  let bytes = 0;
  const end = torrents.findIndex((torrent) => {
    bytes += 200 + 3 * (torrent.name.length + torrent.fileName.length + torrent.comment.length);
    return bytes > MAX_PAGE_BYTES;
  });
  return end < 0 ? torrents : torrents.slice(0, Math.max(1, end));
}

function placeAfter(listings: readonly Listing[], key: string): number {
  const place = listings.findIndex((listing) => listing.key > key);
  return place < 0 ? listings.length : place;
}

function tokenOf(name: string): string {
  return Buffer.from(name).toString("base64url");
}

function nameOfToken(token: string): string {
  const name = Buffer.from(token, "base64url").toString();
  if (tokenOf(name) !== token) throw new InvalidField("page_token", "is not from an answer of this catalog");
  return checkName(name, "page_token");
}
