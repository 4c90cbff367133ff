import { PiezaError } from "#core/base/errors.ts";
import { prefersHtml } from "../http/base/accept.ts";
import type { HttpRequest, HttpResponse } from "../http/base/http-types.ts";
import type { PlainHttp } from "../http/handling/options.ts";
import type { PageFile, PageFiles } from "./page-files.ts";
import { pageHeaders } from "./page-headers.ts";
import type { TorrentDirectory } from "./torrent-directory.ts";
import type { TorrentForm } from "./torrent-forms.ts";

const JSON_TYPE = "application/json; charset=utf-8";
const FILES = "/files/";

/** The HTTP status for each error of looking up a torrent by name. */
const statuses: Readonly<Record<string, number>> = {
  invalid_argument: 400,
  not_found: 404,
  unavailable: 503,
};

export interface CatalogRoutesParts {
  readonly torrents: TorrentDirectory;
  readonly forms: readonly TorrentForm[];
  readonly page: PageFiles;
  /** Makes the answer of GET /. */
  readonly overview: () => Promise<object>;
}

/** The plain HTTP of a catalog besides its RPCs: torrents as files, the overview and the page. */
export function catalogRoutes({ torrents, forms, page, overview }: CatalogRoutesParts): PlainHttp {
  return async (request, response, { path }) => {
    const isTorrent = path.startsWith(FILES);
    const file = page.get(path);
    if (!isTorrent && !file && path !== "/") return false;
    for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      sendFailure(response, 405, "unimplemented", "only GET and HEAD are allowed here");
    } else if (isTorrent) {
      await sendTorrent(torrents, forms, path.slice(FILES.length), response);
    } else if (path === "/" && !(file && prefersHtml(request.headers.accept))) {
      response.setHeader("vary", "Accept");
      send(response, 200, JSON_TYPE, `${JSON.stringify(await overview(), null, 2)}\n`);
    } else if (file) {
      sendPageFile(request, response, file);
    }
    return true;
  };
}

async function sendTorrent(
  torrents: TorrentDirectory,
  forms: readonly TorrentForm[],
  segment: string,
  response: HttpResponse,
) {
  try {
    const { name, form } = asked(segment, forms);
    const { torrent } = await torrents.get({ name });
    send(response, 200, form.type, await form.bytesOf(torrent));
  } catch (error) {
    const status = error instanceof PiezaError ? statuses[error.code] : undefined;
    if (!(error instanceof PiezaError) || status === undefined) throw error;
    sendFailure(response, status, error.code, error.message);
  }
}

/** What a percent-encoded `<name>.<extension>` asks for. Throws not_found for any other path. */
function asked(segment: string, forms: readonly TorrentForm[]): { name: string; form: TorrentForm } {
  const form = forms.find(({ extension }) => segment.endsWith(extension));
  if (form && isPercentEncoded(segment))
    return { form, name: decodeURIComponent(segment.slice(0, -form.extension.length)) };
  const paths = forms.map(({ extension }) => `${FILES}<name>${extension}`);
  throw new PiezaError("not_found", `torrents are at ${paths.join(", ")}, with the name percent-encoded`);
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function sendPageFile(request: HttpRequest, response: HttpResponse, file: PageFile): void {
  response.setHeader("cache-control", file.immutable ? "public, max-age=31536000, immutable" : "no-store");
  response.setHeader("vary", "Accept, Accept-Encoding");
  const accepted = String(request.headers["accept-encoding"] ?? "");
  if (file.gzip && /\bgzip\b/.test(accepted)) {
    response.setHeader("content-encoding", "gzip");
    send(response, 200, file.type, file.gzip);
  } else {
    send(response, 200, file.type, file.bytes);
  }
}

/** Sends an error in the form of a Connect RPC error in JSON. */
function sendFailure(response: HttpResponse, status: number, code: string, message: string): void {
  send(response, status, JSON_TYPE, `${JSON.stringify({ code, message })}\n`);
}

/** Forbids caching unless the answer has a Cache-Control header. For HEAD, Node sends only the headers. */
function send(response: HttpResponse, status: number, type: string, body: string | Uint8Array): void {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  if (!response.hasHeader("cache-control")) response.setHeader("cache-control", "no-store");
  response.statusCode = status;
  response.setHeader("content-type", type);
  response.setHeader("content-length", bytes.length);
  response.end(bytes);
}
