import { lengthPrefix } from "#core/rpc/wire.ts";
import { GetPieceResponseSchema, PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { PeerService as LegacyPeerService } from "#gen/tracker_pb.ts";
import { type DirectAnswer, type DirectMethod, directMethod } from "../../http/direct/direct.ts";
import type { ServedTorrents } from "../stores/served-torrents.ts";
import { theOneNamed } from "./legacy-contract.ts";
import { PIECE_CACHE_CONTROL, pieceETag, serverTiming } from "./service.ts";
import type { Upload, Uploads } from "./uploads.ts";

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
    return answer(await uploads.read(offer, address, onGone), headers);
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
    return answer(await uploads.read(offer, address, onGone), { "cache-control": "no-store" });
  });
}

function answer(upload: Upload, headers: Readonly<Record<string, string>>): DirectAnswer {
  const { bytes, done } = upload;
  return {
    // proto3 leaves an empty piece out.
    parts: bytes.length === 0 ? [] : [Uint8Array.from(lengthPrefix(DATA, bytes.length)), bytes],
    headers: { "server-timing": serverTiming(upload), ...headers },
    done,
  };
}
