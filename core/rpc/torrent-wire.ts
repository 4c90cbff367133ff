import { MAX_FILES, MAX_PIECES } from "../torrent/piece.ts";
import type { TorrentFields } from "./torrent-fields.ts";
import { append, fieldsOf, lengthField, numberedHash, textOf } from "./wire.ts";

/** More than a torrent may have, so that its parser says how many those are. */
const MAX_TRACKERS_SENT = 1_024;

/** Encodes a catalog's GetTorrentRequest. */
export function encodeGetTorrent(key: { name: string } | { infoHash: string }): Uint8Array<ArrayBuffer> {
  return Uint8Array.from("name" in key ? lengthField(1, key.name) : lengthField(2, key.infoHash));
}

/** Decodes a catalog's GetTorrentResponse. Throws PiezaError for a malformed message. */
export function decodeGetTorrent(message: Uint8Array): { name: string; torrent: TorrentFields | undefined } {
  let name = "";
  let torrent: TorrentFields | undefined;
  for (const { number, bytes } of fieldsOf(message)) {
    if (number === 1) name = textOf(bytes);
    else if (number === 2) torrent = decodeTorrent(bytes);
  }
  return { name, torrent };
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

function decodeTorrent(message: Uint8Array): TorrentFields {
  const pieces: { number: number; hash: string }[] = [];
  const files: { path: string; length: number }[] = [];
  const trackers: string[] = [];
  const torrent: Writable<TorrentFields> = {
    ...{ fileName: "", totalPieces: 0, infoHash: "", comment: "", createdAt: "" },
    ...{ pieces, files, trackers },
  };
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1) torrent.fileName = textOf(bytes);
    else if (number === 2) torrent.totalPieces = int >>> 0;
    else if (number === 3) append(pieces, MAX_PIECES, numberedHash(bytes));
    else if (number === 4) torrent.length = int;
    else if (number === 5) torrent.pieceLength = int >>> 0;
    else if (number === 6) torrent.infoHash = textOf(bytes);
    else if (number === 7) append(files, MAX_FILES, fileOf(bytes));
    else if (number === 8) append(trackers, MAX_TRACKERS_SENT, textOf(bytes));
    else if (number === 9) torrent.comment = textOf(bytes);
    else if (number === 10) torrent.createdAt = textOf(bytes);
    else if (number === 11) torrent.replicationTarget = int >>> 0;
    else if (number === 12) torrent.bittorrent = bitTorrentOf(bytes);
  }
  return torrent;
}

function bitTorrentOf(message: Uint8Array) {
  const fields = { pieceSha1: "" };
  for (const { number, bytes } of fieldsOf(message)) if (number === 1) fields.pieceSha1 = textOf(bytes);
  return fields;
}

function fileOf(message: Uint8Array) {
  const file = { path: "", length: 0 };
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1) file.path = textOf(bytes);
    else if (number === 2) file.length = int;
  }
  return file;
}
