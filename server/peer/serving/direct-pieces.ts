import { lengthPrefix } from "#core/rpc/wire.ts";
import { GetPieceResponseSchema, PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { PeerService as LegacyPeerService } from "#gen/tracker_pb.ts";
import { type DirectAnswer, type DirectMethod, directMethod } from "../../http/direct/direct.ts";
import type { ServedTorrents } from "../stores/served-torrents.ts";
import { LARGE_PIECE_BYTES } from "./large-piece.ts";
import { theOneNamed } from "./legacy-contract.ts";
import { PIECE_CACHE_CONTROL, pieceETag, serverTiming } from "./service.ts";
import type { Offer, PartsOptions, Uploads } from "./uploads.ts";

/** The number of the field that holds the piece, in both contracts. */
const DATA = GetPieceResponseSchema.field.data.number;

/**
 * GetPiece without a copy: the socket gets the buffer that the piece was read into, behind the few bytes that make a
 * protobuf message of it. The answer is byte for byte that of the service in service.ts.
 */
export function directGetPiece(uploads: Uploads): DirectMethod {
  return directMethod(PeerService.method.getPiece, async (request, { address }, onGone) => {
    const offer = uploads.find(request.infoHash, request.number, address);
    const headers = { etag: pieceETag(offer.hash), "cache-control": PIECE_CACHE_CONTROL };
    return answer(uploads, offer, { address, onGone }, headers);
  });
}

/**
 * The same for the legacy contract's DownloadPiece, whose answer has the same shape. No cache may store it, because
 * the request names the file and not a hash.
 */
export function directDownloadPiece(torrents: ServedTorrents, uploads: Uploads): DirectMethod {
  return directMethod(LegacyPeerService.method.downloadPiece, async (request, { address }, onGone) => {
    const { torrent } = theOneNamed(torrents, request.fileName);
    const offer = uploads.find(torrent.infoHash, request.pieceNumber, address);
    return answer(uploads, offer, { address, onGone }, { "cache-control": "no-store" });
  });
}

async function answer(
  uploads: Uploads,
  offer: Offer,
  caller: PartsOptions,
  headers: Readonly<Record<string, string>>,
): Promise<DirectAnswer> {
  const upload = await uploads.read(offer, caller.address, caller.onGone);
  const { bytes, done } = upload;
  const all = { headers: { "server-timing": serverTiming(upload), ...headers }, done };
  // proto3 leaves an empty piece out.
  if (bytes.length === 0) return { ...all, parts: [] };
  const prefix = Uint8Array.from(lengthPrefix(DATA, bytes.length));
  if (bytes.length <= LARGE_PIECE_BYTES) return { ...all, parts: [prefix, bytes] };
  const chunks = uploads.inParts(offer, upload, caller);
  return { ...all, parts: [prefix], rest: { bytes: bytes.length, chunks } };
}
