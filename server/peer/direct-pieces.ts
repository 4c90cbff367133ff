import { fromBinary } from "@bufbuild/protobuf";
import { type GetPieceRequest, GetPieceRequestSchema } from "#gen/pieza/v1/peer_pb.ts";
import type { DirectMethod } from "../http/direct.ts";
import { pieceMessagePrefix } from "./piece-message.ts";
import { serverTiming } from "./server-timing.ts";
import { PIECE_CACHE_CONTROL, pieceETag } from "./service.ts";
import type { Uploads } from "./uploads.ts";

/**
 * GetPiece without a copy: the piece goes from the buffer that it was read into straight to the socket, behind the few
 * bytes that make it a protobuf message. Answers what the service in service.ts would, byte for byte.
 */
export function directPieces(uploads: Uploads): DirectMethod {
  return async (message, address) => {
    const request = decode(message);
    if (!request) return undefined;
    const offer = uploads.find(request.infoHash, request.number, address);
    const upload = await uploads.read(offer, address);
    const { bytes, done } = upload;
    return {
      parts: bytes.length === 0 ? [] : [pieceMessagePrefix(bytes.length), bytes],
      headers: {
        "server-timing": serverTiming(upload),
        etag: pieceETag(offer.hash),
        "cache-control": PIECE_CACHE_CONTROL,
      },
      done,
    };
  };
}

/** Undefined for what is no such message: the library says so. */
function decode(message: Uint8Array): GetPieceRequest | undefined {
  try {
    return fromBinary(GetPieceRequestSchema, message);
  } catch {
    return undefined;
  }
}
