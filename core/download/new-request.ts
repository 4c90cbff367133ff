import { Progress } from "../base/meter.ts";
import type { PieceIndex } from "../torrent/piece.ts";
import type { DownloadInput } from "./download-input.ts";
import type { DownloadPeer, PieceRequest } from "./download-peer.ts";
import { PieceReceiver } from "./receiver.ts";

/** The request of a piece at a peer, before it is sent. `direct`: see ReceiverOptions. */
export function newRequest(
  { store, hasher, torrent, clock }: DownloadInput,
  peer: DownloadPeer,
  index: PieceIndex,
  direct: boolean,
): PieceRequest {
  const hash = torrent.pieces[index]!;
  const lengthKnown = torrent.lengths !== undefined;
  const receiver = new PieceReceiver({ index, hash, store, hasher, direct, lengthKnown, clock });
  const startedMs = clock.now();
  const progress = new Progress(startedMs);
  return { peer, index, receiver, abort: new AbortController(), startedMs, progress };
}
