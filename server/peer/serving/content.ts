import { constants } from "node:http2";
import { LRUCache } from "lru-cache";
import { PiezaError } from "#core/base/errors.ts";
import { answerContent } from "#core/content/content-answer.ts";
import { listHtml, listJson } from "#core/content/content-list.ts";
import { type ContentPath, contentPath, parseContentPath } from "#core/content/content-path.ts";
import {
  type ContentFile,
  type ContentFolder,
  contentTree,
  findContent,
} from "#core/content/content-tree.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { prefersJson } from "../../http/base/accept.ts";
import type { HttpRequest, HttpResponse } from "../../http/base/http-types.ts";
import type { Pace } from "../../http/guards/pace.ts";
import type { PlainAnswered } from "../../http/handling/options.ts";
import type { ServedTorrent } from "../stores/served-torrents.ts";
import { ContentBody } from "./content-body.ts";
import type { ContentSource } from "./content-source.ts";
import { sendPlainError } from "./plain-error.ts";
import type { Uploads } from "./uploads.ts";

/** A request for a content URL. */
export interface ContentExchange {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly pace: Pace;
  /** The address that the request came from. */
  readonly address: string;
}

export interface ContentParts {
  readonly source: ContentSource;
  readonly uploads: Uploads;
  /** Called with the bytes that have left of an answer, part by part. */
  readonly onSent: (infoHash: string, bytes: number) => void;
  /** Called when an answer ends early because a piece could not be had. */
  readonly onCut: (infoHash: string, reason: string) => void;
}

/** A torrent's tree is made at its first request and lives as long as the torrent. */
const trees = new WeakMap<Torrent, ContentFolder>();

/**
 * `GET /content/<info hash>/<file name>/<path>`: the bytes of a file of a torrent, verified, for every program; with a
 * slash at the end a list of files. A file whose piece cannot be had ends the connection, so that the part that was
 * sent is never taken for the whole. Returns false for other paths.
 */
export async function serveContent(
  path: string,
  exchange: ContentExchange,
  parts: ContentParts,
): Promise<PlainAnswered> {
  const asked = parseContentPath(path);
  if (!asked) return false;
  const { response } = exchange;
  try {
    if (asked === "malformed")
      throw new PiezaError("invalid_argument", "the path is not percent-encoded UTF-8");
    const served = await parts.source.find(asked.infoHash);
    const found = findContent(treeOf(served.torrent), asked.names);
    if (found?.kind === "file" && !asked.isList) return await sendFile(served, found, exchange, parts);
    if (found?.kind !== "folder") throw new PiezaError("not_found", "the torrent has no such file");
    if (asked.isList) sendList(asked, found, exchange);
    else redirect(contentPath(asked.infoHash, asked.names, true), response);
  } catch (error) {
    if (!(error instanceof PiezaError) || response.headersSent) throw error;
    sendPlainError(error, response, error.code === "deadline_exceeded" ? 504 : undefined);
  }
  return true;
}

function treeOf(torrent: Torrent): ContentFolder {
  const tree = trees.get(torrent) ?? contentTree(torrent);
  if (!tree) throw new PiezaError("not_found", "this torrent does not say how long its file is");
  trees.set(torrent, tree);
  return tree;
}

async function sendFile(
  served: ServedTorrent,
  file: ContentFile,
  { request, response, pace, address }: ContentExchange,
  { source, uploads, onSent, onCut }: ContentParts,
): Promise<PlainAnswered> {
  const { infoHash } = served.torrent;
  const { headers } = request;
  const answer = answerContent(infoHash, file, {
    range: headers.range,
    ifRange: joined(headers["if-range"]),
    ifMatch: headers["if-match"],
    ifNoneMatch: headers["if-none-match"],
  });
  if (!answer.body || request.method === "HEAD") {
    writeHead(answer, response);
    response.end();
    return true;
  }
  const range = { start: file.offset + answer.body.start, end: file.offset + answer.body.end };
  const gone = new AbortController();
  const reader = source.read(served, range);
  response.once("close", () => {
    gone.abort(new PiezaError("unavailable", "the caller has left"));
    reader.close();
  });
  const sent = (bytes: number) => onSent(infoHash, bytes);
  const body = new ContentBody({ served, reader, uploads, address, gone: gone.signal, onSent: sent }, range);
  try {
    await body.begin();
    writeHead(answer, response);
    await body.send(response, pace);
    response.end();
  } catch (error) {
    if (!response.headersSent && !gone.signal.aborted) throw error;
    if (!gone.signal.aborted) onCut(infoHash, error instanceof PiezaError ? error.message : "internal error");
    cut(response);
  } finally {
    body.close();
    reader.close();
  }
  return "paced";
}

/** Ends an answer so that its caller sees that it is not whole. */
function cut(response: HttpResponse): void {
  if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}

function writeHead({ status, headers }: ReturnType<typeof answerContent>, response: HttpResponse): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

function sendList({ infoHash, names }: ContentPath, list: ContentFolder, exchange: ContentExchange): void {
  const { request, response } = exchange;
  const isJson = prefersJson(request.headers.accept);
  const bytes = listBytes(infoHash, names, list, isJson);
  response.setHeader("content-type", isJson ? "application/json" : "text/html; charset=utf-8");
  response.setHeader("content-length", bytes.length);
  response.setHeader("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox");
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("vary", "Accept");
  response.end(bytes);
}

/** Lists in the form in which they are sent: that of 100,000 files takes a tenth of a second to make. */
const lists = new LRUCache<string, Buffer>({
  maxSize: 32 << 20,
  sizeCalculation: ({ length }) => length + 1_024,
});

function listBytes(infoHash: string, names: readonly string[], list: ContentFolder, isJson: boolean): Buffer {
  const key = `${isJson} ${contentPath(infoHash, names)}`;
  const known = lists.get(key);
  if (known) return known;
  const text = isJson
    ? `${JSON.stringify(listJson(infoHash, names, list), null, 2)}\n`
    : listHtml(infoHash, names, list);
  const bytes = Buffer.from(text);
  lists.set(key, bytes);
  return bytes;
}

function redirect(path: string, response: HttpResponse): void {
  response.statusCode = 301;
  response.setHeader("location", path);
  response.setHeader("content-length", 0);
  response.end();
}

function joined(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}
