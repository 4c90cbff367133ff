import type { PieceIndex } from "../torrent/piece.ts";
import type { DownloadInput } from "./download-input.ts";
import type { DownloadPeer, PieceRequest } from "./download-peer.ts";
import { PieceReceiver } from "./receiver.ts";

/** A request for a piece at a peer. `direct`: no other request for the piece is under way. See ReceiverOptions. */
export function beginRequest(
  peer: DownloadPeer,
  index: PieceIndex,
  direct: boolean,
  { store, hasher, torrent, clock }: DownloadInput,
): PieceRequest {
  const hash = torrent.pieces[index]!;
  const lengthKnown = torrent.lengths !== undefined;
  const receiver = new PieceReceiver({ index, hash, store, hasher, direct, lengthKnown, clock });
  return { peer, index, receiver, abort: new AbortController(), startedMs: clock.now() };
}
