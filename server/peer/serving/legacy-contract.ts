import type { ServiceImpl } from "@connectrpc/connect";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import type { PeerService } from "#gen/tracker_pb.ts";
import { kCallerAddress, kOnAnswered } from "../../http/base/context.ts";
import type { ServedTorrent, ServedTorrents } from "../stores/served-torrents.ts";
import { serverTiming } from "./service.ts";
import { onAbort, type Uploads } from "./uploads.ts";

/** The PeerService of the legacy contract: the pieces that this peer serves, found by file name. */
export function legacyPeerService(
  torrents: ServedTorrents,
  uploads: Uploads,
): ServiceImpl<typeof PeerService> {
  return {
    hasPiece({ fileName, pieceNumber }) {
      const store = findNamed(torrents, fileName)?.store;
      const index = store?.geometry.indexOfNumber(pieceNumber);
      return { hasPiece: index !== undefined && store!.held.has(index) };
    },

    async downloadPiece({ fileName, pieceNumber }, context) {
      const served = theOneNamed(torrents, fileName);
      const address = context.values.get(kCallerAddress);
      const offer = uploads.find(served.torrent.infoHash, pieceNumber, address);
      const upload = await uploads.readWhole(offer, address, onAbort(context.signal));
      const { bytes, done } = upload;
      context.values.get(kOnAnswered)(done);
      context.responseHeader.set("server-timing", serverTiming(upload));
      return { data: bytes };
    },
  };
}

/** Like findNamed, and throws not_found if there is none. */
export function theOneNamed(torrents: ServedTorrents, fileName: string): ServedTorrent {
  const served = findNamed(torrents, fileName);
  if (served) return served;
  throw new PiezaError("not_found", "this peer does not take part in a torrent of this name");
}

/**
 * The served torrent whose file or folder has this name. Throws InvalidField for an empty name, and
 * failed_precondition if several torrents have it.
 */
function findNamed(torrents: ServedTorrents, fileName: string): ServedTorrent | undefined {
  if (fileName === "") throw new InvalidField("file_name", "must not be empty");
  const named = [...torrents].filter(({ torrent }) => torrent.fileName === fileName);
  if (named.length > 1) throw new PiezaError("failed_precondition", "several torrents have this name");
  return named[0];
}
