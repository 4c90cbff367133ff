import { Bitfield } from "../base/bitfield.ts";
import { InvalidField } from "../base/errors.ts";
import type { PieceGeometry } from "./piece.ts";
import type { TorrentFile } from "./torrent.ts";

/**
 * The files of a folder that a person selects, as indices in order. A pattern is a list of numbers as `info` prints
 * them ("1,3-5"), or a path pattern: "*" and "?" match within a name, "**" across folders. Without a slash it matches
 * names in any folder; a folder's name selects everything in it. Throws InvalidField for a pattern that fits no file.
 */
export function selectFiles(files: readonly TorrentFile[], patterns: readonly string[]): number[] {
  const selected = new Set<number>();
  for (const pattern of patterns) {
    const found = /^[\d\s,-]+$/.test(pattern) ? numbered(files.length, pattern) : fitting(files, pattern);
    for (const index of found) selected.add(index);
  }
  return [...selected].sort((a, b) => a - b);
}

/** The pieces that contain bytes of these files. */
export function piecesOfFiles(
  files: readonly TorrentFile[],
  selected: readonly number[],
  geometry: PieceGeometry,
): Bitfield {
  const wanted = new Set(selected);
  const pieces = new Bitfield(geometry.count);
  let start = 0;
  for (const [index, { length }] of files.entries()) {
    const end = start + length;
    for (let at = start; wanted.has(index) && at < end; ) {
      const piece = Math.floor(at / geometry.pieceLength);
      pieces.set(geometry.index(piece));
      at = (piece + 1) * geometry.pieceLength;
    }
    start = end;
  }
  return pieces;
}

function* numbered(count: number, list: string): Generator<number> {
  for (const range of list.split(",")) {
    const [, first, last = first] = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(range) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (!(from >= 1 && to >= from && to <= count))
      throw new InvalidField("select", `"${range.trim()}" is none of the files 1 to ${count}`);
    for (let number = from; number <= to; number++) yield number - 1;
  }
}

function fitting(files: readonly TorrentFile[], pattern: string): number[] {
  const fits = matcher(pattern);
  const found = [...files.keys()].filter((index) => fits(files[index]!.path));
  if (found.length === 0) throw new InvalidField("select", `"${pattern}" fits no file of the torrent`);
  return found;
}

/** Whether a path fits a path pattern as in selectFiles. A folder's name fits the folder and everything in it. */
export function matcher(pattern: string): (path: string) => boolean {
  const trimmed = pattern.normalize("NFC").replace(/^\.?\/+|\/+$/g, "");
  const body = trimmed.split(/(\*\*\/?|\*|\?)/).map(asRegExp);
  const anywhere = trimmed.includes("/") ? "" : "(?:.*/)?";
  const expression = new RegExp(`^${anywhere}${body.join("")}(?:/.*)?$`, "su");
  return (path) => expression.test(path.normalize("NFC"));
}

function asRegExp(part: string): string {
  if (part.startsWith("**")) return part.endsWith("/") ? "(?:.*/)?" : ".*";
  if (part === "*") return "[^/]*";
  if (part === "?") return "[^/]";
  return part.replace(/[\\^$.|+()[\]{}]/g, "\\$&");
}
