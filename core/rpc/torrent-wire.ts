import type { TorrentFields } from "./torrent-fields.ts";
import { fieldsOf, lengthField, textOf } from "./wire.ts";

/** A catalog's GetTorrentRequest in binary. */
export function encodeGetTorrent(key: { name: string } | { infoHash: string }): Uint8Array<ArrayBuffer> {
  return Uint8Array.from("name" in key ? lengthField(1, key.name) : lengthField(2, key.infoHash));
}

/** A catalog's GetTorrentResponse in binary. Throws PiezaError for what is no message. */
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
    else if (number === 3) pieces.push(pieceOf(bytes));
    else if (number === 4) torrent.length = int;
    else if (number === 5) torrent.pieceLength = int >>> 0;
    else if (number === 6) torrent.infoHash = textOf(bytes);
    else if (number === 7) files.push(fileOf(bytes));
    else if (number === 8) trackers.push(textOf(bytes));
    else if (number === 9) torrent.comment = textOf(bytes);
    else if (number === 10) torrent.createdAt = textOf(bytes);
    else if (number === 11) torrent.replicationTarget = int >>> 0;
  }
  return torrent;
}

/** A Piece of a torrent, or a SeedPiece of a tracker's answer, which has the same fields. */
export function pieceOf(message: Uint8Array): { number: number; hash: string } {
  const piece = { number: 0, hash: "" };
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1) piece.number = int >>> 0;
    else if (number === 2) piece.hash = textOf(bytes);
  }
  return piece;
}

function fileOf(message: Uint8Array) {
  const file = { path: "", length: 0 };
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1) file.path = textOf(bytes);
    else if (number === 2) file.length = int;
  }
  return file;
}
