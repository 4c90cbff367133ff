import { PiezaError } from "#core/base/errors.ts";
import { parseRange } from "#core/content/byte-range.ts";
import type { HttpRequest, HttpResponse, Reply } from "../../http/base/http-types.ts";
import type { OnGone } from "../../http/direct/direct.ts";
import { writeChunks } from "../../http/direct/plain-call.ts";
import { LARGE_PIECE_BYTES } from "./large-piece.ts";
import { sendPlainError } from "./plain-error.ts";
import { PIECE_CACHE_CONTROL, pieceETag, serverTiming } from "./service.ts";
import type { Offer, Uploads } from "./uploads.ts";

const PATH = /^\/pieces\/([^/]+)\/([1-9]\d{0,8})$/;

/** A request for a piece, and the address that it came from. */
interface PieceExchange {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly address: string;
}

/**
 * `GET /pieces/<info hash>/<number>`: the bytes of a piece, for people, browsers and caches. Supports HEAD, Range,
 * If-Range and If-None-Match. Errors are JSON, {"code", "message"}, and no cache stores them. Resolves to false for
 * other paths.
 */
export async function servePiece(path: string, exchange: PieceExchange, uploads: Uploads): Promise<boolean> {
  const { request, response, address } = exchange;
  const [, infoHash, number] = PATH.exec(path) ?? [];
  if (infoHash === undefined || number === undefined) return false;
  try {
    const offer = uploads.find(infoHash.toLowerCase(), Number(number), address);
    if (request.method === "GET" && !isFresh(request, offer)) await send(offer, exchange, uploads);
    else sendHeaders(offer, request, response);
  } catch (error) {
    if (!(error instanceof PiezaError)) throw error;
    sendPlainError(error, response);
  }
  return true;
}

async function send(
  offer: Offer,
  { request, response, address }: PieceExchange,
  uploads: Uploads,
): Promise<void> {
  const onGone: OnGone = (fn) => void response.once("close", fn);
  const upload = await uploads.read(offer, address, onGone);
  const { bytes, done } = upload;
  if (response.closed) return done();
  response.once("close", done);
  response.setHeader("server-timing", serverTiming(upload));
  const range = isOfThisPiece(request.headers["if-range"], offer)
    ? parseRange(request.headers.range, bytes.length)
    : undefined;
  if (range === "unsatisfiable") {
    response.statusCode = 416;
    response.setHeader("content-range", `bytes */${bytes.length}`);
    response.setHeader("cache-control", "no-store");
    response.end();
    return;
  }
  if (range) {
    response.statusCode = 206;
    response.setHeader("content-range", `bytes ${range.start}-${range.end - 1}/${bytes.length}`);
  }
  const { start, end } = range ?? { start: 0, end: bytes.length };
  describe(offer, end - start, response);
  if (end - start <= LARGE_PIECE_BYTES) return void response.end(bytes.subarray(start, end));
  // Not awaited: the answer has begun, and the server holds it to its pace from now on.
  const chunks = uploads.inParts(offer, upload, { address, onGone, start, end });
  writeChunks(chunks, response as Reply).then(
    () => response.end(),
    () => void response.destroy(),
  );
}

/** Answers without a body: HEAD, and GET by a client that has the piece already. */
function sendHeaders(offer: Offer, request: HttpRequest, response: HttpResponse): void {
  if (isFresh(request, offer)) {
    response.statusCode = 304;
    setValidators(offer, response);
  } else {
    describe(offer, offer.length, response);
  }
  response.end();
}

function describe(offer: Offer, length: number, response: HttpResponse): void {
  response.setHeader("content-type", "application/octet-stream");
  response.setHeader("content-length", length);
  response.setHeader("accept-ranges", "bytes");
  response.setHeader("x-content-type-options", "nosniff");
  setValidators(offer, response);
}

function setValidators(offer: Offer, response: HttpResponse): void {
  response.setHeader("etag", pieceETag(offer.hash));
  response.setHeader("cache-control", PIECE_CACHE_CONTROL);
}

function isFresh(request: HttpRequest, { hash }: Offer): boolean {
  const known = request.headers["if-none-match"] ?? "";
  return (
    known.trim() === "*" || known.split(",").some((tag) => tag.trim().replace(/^W\//, "") === pieceETag(hash))
  );
}

function isOfThisPiece(ifRange: string | string[] | undefined, { hash }: Offer): boolean {
  return ifRange === undefined || ifRange === pieceETag(hash);
}
