import { createHmac } from "node:crypto";
import type { ServiceImpl } from "@connectrpc/connect";
import { InvalidField } from "#core/base/errors.ts";
import { torrentToMessage } from "#core/rpc/torrent.ts";
import type { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { kCallerAddress, kOnAnswered } from "../../http/base/context.ts";
import type { ServedTorrents } from "../stores/served-torrents.ts";
import type { Upload } from "./large-piece.ts";
import { onAbort, type Uploads } from "./uploads.ts";

const NONCE_BYTES = { min: 16, max: 64 };

/** For successful answers only. The bytes under a hash never change, so caches may keep them for a year. */
export const PIECE_CACHE_CONTROL = "public, max-age=31536000, immutable";

/** The ETag of a piece: its hash. */
export function pieceETag(hash: string): string {
  return `"${hash}"`;
}

/** The Server-Timing header of a piece, in milliseconds: "limit;dur=12.3, read;dur=0.4". */
export function serverTiming({ waitMs, readMs }: Upload): string {
  return `limit;dur=${waitMs.toFixed(1)}, read;dur=${readMs.toFixed(1)}`;
}

/** The calls of PeerService that read: Identify, GetTorrent, GetBitfield and GetPiece. */
export function peerService(
  torrents: ServedTorrents,
  uploads: Uploads,
  identifyKeys: readonly Uint8Array[],
): Omit<ServiceImpl<typeof PeerService>, "storePiece"> {
  return {
    identify({ nonce }) {
      if (nonce.length < NONCE_BYTES.min || nonce.length > NONCE_BYTES.max) {
        throw new InvalidField("nonce", `must have ${NONCE_BYTES.min} to ${NONCE_BYTES.max} bytes`);
      }
      return { proofs: identifyKeys.map((key) => createHmac("sha256", key).update(nonce).digest()) };
    },

    getTorrent({ infoHash }) {
      return { torrent: torrentToMessage(torrents.find(infoHash).torrent) };
    },

    getBitfield({ infoHash }) {
      const { held } = torrents.find(infoHash).store;
      const { complete } = held;
      return { totalPieces: held.size, complete, bitfield: complete ? new Uint8Array(0) : held.toBytes() };
    },

    async getPiece({ infoHash, number }, context) {
      const address = context.values.get(kCallerAddress);
      const offer = uploads.find(infoHash, number, address);
      const upload = await uploads.readWhole(offer, address, onAbort(context.signal));
      context.values.get(kOnAnswered)(upload.done);
      context.responseHeader.set("server-timing", serverTiming(upload));
      // Last, so that no cache keeps a failure.
      context.responseHeader.set("etag", pieceETag(offer.hash));
      context.responseHeader.set("cache-control", PIECE_CACHE_CONTROL);
      return { data: upload.bytes };
    },
  };
}
