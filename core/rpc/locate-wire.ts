import { MAX_PIECES } from "../torrent/piece.ts";
import type { LocateAnswer, LocatedPeer, LocateRequest } from "./locate.ts";
import { append, fieldsOf, intField, lengthField, numberedHash, textOf } from "./wire.ts";

/** More than a tracker names, and more than the reader of an answer takes. */
const MAX_PEERS_SENT = 1_024;

/** A LocatePiecesRequest in binary. */
export function encodeLocateRequest(request: LocateRequest): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...lengthField(1, request.infoHash),
    ...lengthField(2, request.fileName),
    ...intField(3, request.totalPieces),
    ...lengthField(4, request.since ?? ""),
    ...lengthField(5, request.zone),
  ]);
}

/** Decodes a binary LocatePiecesResponse. Its bytes are views of `message`. Throws PiezaError for a malformed one. */
export function decodeLocateAnswer(message: Uint8Array): LocateAnswer {
  const answer = {
    totalPieces: 0,
    turn: 0,
    trackerId: "",
    nextLocateMs: 0,
    revision: new Uint8Array(0) as Uint8Array,
  };
  const peers: LocatedPeer[] = [];
  const seedPeers: { url: string; declared: Uint8Array }[] = [];
  const seedPieces: { number: number; hash: string }[] = [];
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 2) answer.totalPieces = int >>> 0;
    else if (number === 3) append(peers, MAX_PEERS_SENT, peerOf(bytes));
    else if (number === 4) answer.turn = int >>> 0;
    else if (number === 5) answer.trackerId = textOf(bytes);
    else if (number === 6) answer.nextLocateMs = int >>> 0;
    else if (number === 7) append(seedPeers, MAX_PEERS_SENT, legacyPeerOf(bytes));
    else if (number === 8) append(seedPieces, MAX_PIECES, numberedHash(bytes));
    else if (number === 9) answer.revision = bytes;
  }
  return { ...answer, peers, seedPeers, seedPieces };
}

function peerOf(message: Uint8Array): LocatedPeer {
  const peer = { url: "", complete: false, bitfield: new Uint8Array(0) as Uint8Array, unchanged: false };
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1) peer.url = textOf(bytes);
    else if (number === 2) peer.complete = int !== 0;
    else if (number === 3) peer.bitfield = bytes;
    else if (number === 4) peer.unchanged = int !== 0;
  }
  return peer;
}

function legacyPeerOf(message: Uint8Array) {
  const peer = { url: "", declared: new Uint8Array(0) as Uint8Array };
  for (const { number, bytes } of fieldsOf(message)) {
    if (number === 1) peer.url = textOf(bytes);
    else if (number === 2) peer.declared = bytes;
  }
  return peer;
}
