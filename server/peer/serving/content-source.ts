import { PiezaError } from "#core/base/errors.ts";
import type { ByteRange } from "#core/content/byte-range.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import type { ServedTorrent, ServedTorrents } from "../stores/served-torrents.ts";

/** One reader of a torrent's bytes, who takes the pieces of a range in order. */
export interface ContentReader {
  /**
   * Resolves when the piece is held. Fails with PiezaError if it cannot be had: not_found, unavailable, or
   * deadline_exceeded where a source has waited for peers in vain.
   */
  ready(index: PieceIndex): Promise<void> | void;
  /** Call it when the reader has left or has everything; ignored the second time. Calls of `ready` fail then. */
  close(): void;
}

/** The torrents whose bytes have content URLs at this server. */
export interface ContentSource {
  /** Fails with PiezaError: not_found, or unavailable if it cannot be known now. */
  find(infoHash: string): Promise<ServedTorrent> | ServedTorrent;
  /** Says that the bytes of the torrent are about to be read in order. Throws PiezaError if they cannot be. */
  read(served: ServedTorrent, bytes: ByteRange): ContentReader;
}

const heldReader: ContentReader = { ready() {}, close() {} };

/** Content of what this peer holds: of each torrent those bytes whose pieces are all held here. */
export function heldContent(torrents: ServedTorrents): ContentSource {
  return {
    find: (infoHash) => torrents.find(infoHash),
    read({ store: { geometry, held } }, { start, end }) {
      const last = Math.ceil(end / geometry.pieceLength);
      for (let index = Math.floor(start / geometry.pieceLength); index < last; index++) {
        if (held.has(index)) continue;
        const message = "this peer holds only a part of that; a gateway fetches the rest";
        throw new PiezaError("not_found", message);
      }
      return heldReader;
    },
  };
}
