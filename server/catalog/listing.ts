import { InvalidField } from "#core/base/errors.ts";
import { checkName, foldName } from "#core/base/file-name.ts";
import type { CatalogPage, TorrentSummary } from "#core/ports/catalog.ts";
import { torrentSummary } from "#core/ports/torrent-summary.ts";
import { asText } from "#core/torrent/json-fields.ts";
import type { Torrent } from "#core/torrent/torrent.ts";

export const DEFAULT_PAGE_SIZE = 100;
export const MAX_PAGE_SIZE = 1_000;
/** Keeps an answer below 4 MiB, the limit of clients, even if every comment has its full length. */
const MAX_PAGE_BYTES = 2 << 20;
const MAX_SEARCH_BYTES = 255;

/** A torrent in the list. */
export interface ListedTorrent extends TorrentSummary {
  readonly replicationTarget?: number | undefined;
}

export interface ListQuery {
  readonly search?: string | undefined;
  /** 1 to 1,000; 0 or undefined means 100. */
  readonly pageSize?: number | undefined;
  readonly pageToken?: string | undefined;
}

export interface ListedPage extends CatalogPage {
  readonly torrents: readonly ListedTorrent[];
}

/** A torrent with the folded texts that sorting and searching use. */
export interface Listing {
  readonly summary: ListedTorrent;
  /** The folded name, which is unique in a catalog. */
  readonly key: string;
  readonly texts: readonly string[];
}

export function listingOf(name: string, torrent: Torrent): Listing {
  const { replicationTarget } = torrent;
  const summary = { ...torrentSummary(torrent, name), replicationTarget };
  const key = foldName(name);
  return { summary, key, texts: [key, foldName(summary.fileName), foldName(summary.comment)] };
}

/** Sorts a list by name; case and Unicode normal form do not count. */
export function byKey(a: Listing, b: Listing): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

/**
 * One page of `all`, which is sorted by byKey. The page token is the last name of the previous page, so a torrent
 * that is published or deleted between two pages does not make another one appear twice or disappear. Throws
 * InvalidField.
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

/** The first torrents that fit into MAX_PAGE_BYTES, at least one. */
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
