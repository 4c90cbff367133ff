import type { Breathe } from "../base/breathe.ts";
import { InvalidField } from "../base/errors.ts";
import { checkPath, foldName } from "../base/file-name.ts";
import { asArray, asObject, asWholeNumber } from "./json-fields.ts";
import { MAX_FILES } from "./piece.ts";
import type { TorrentFile } from "./torrent.ts";

/** Files that are checked between two breaths. */
const AT_ONCE = 512;

/** A folder in the tree of the torrent's paths. Entries are found by folded name, so names that collide meet. */
interface Folder {
  readonly name: string;
  readonly entries: Map<string, Folder | "file">;
}

/**
 * Parses the `files` of a folder torrent: at least one file, in bytewise order of path, no two files that are one on
 * some system, no file that is another's folder, and lengths that sum up to `totalLength` bytes. Throws InvalidField.
 */
export async function parseFiles(
  value: unknown,
  totalLength: number,
  breathe: Breathe,
): Promise<TorrentFile[]> {
  const list = asArray(value, "files");
  if (list.length === 0) throw new InvalidField("files", "must have at least one file");
  if (list.length > MAX_FILES) throw new InvalidField("files", `must be at most ${MAX_FILES}`);
  const files: TorrentFile[] = [];
  for (const [index, entry] of list.entries()) {
    files.push(parseFile(entry, index));
    if (index % AT_ONCE === AT_ONCE - 1) await breathe();
  }
  const root: Folder = { name: "", entries: new Map() };
  let sum = 0;
  for (const [index, file] of files.entries()) {
    const previous = files[index - 1];
    if (previous) checkOrder(previous.path, file.path, `files[${index}].path`);
    place(root, file.path, `files[${index}].path`);
    sum += file.length;
    if (index % AT_ONCE === AT_ONCE - 1) await breathe();
  }
  if (sum !== totalLength)
    throw new InvalidField("files", `their lengths sum up to ${sum}, but length is ${totalLength}`);
  return files;
}

function parseFile(value: unknown, index: number): TorrentFile {
  const field = `files[${index}]`;
  const entry = asObject(value, field);
  return {
    path: checkPath(entry.path, `${field}.path`),
    length: asWholeNumber(entry.length, `${field}.length`, 0, Number.MAX_SAFE_INTEGER),
  };
}

function checkOrder(previous: string, path: string, field: string): void {
  const order = compareBytewise(previous, path);
  if (order === 0) throw new InvalidField(field, "is there twice");
  if (order > 0) throw new InvalidField(field, "is out of order: files go in bytewise order of path");
}

/** Compares by UTF-8 bytes, that is by code point. `<` compares UTF-16 units, which differs for surrogate pairs. */
export function compareBytewise(a: string, b: string): number {
  for (let at = 0; at < a.length && at < b.length; at++) {
    if (a[at] === b[at]) continue;
    return rank(a.charCodeAt(at)) - rank(b.charCodeAt(at));
  }
  return a.length - b.length;
}

/** Moves the surrogates (U+D800 to U+DFFF) behind U+FFFF and keeps their order. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function place(root: Folder, path: string, field: string): void {
  const names = path.split("/");
  const fileName = names.pop()!;
  let folder = root;
  for (const name of names) folder = enter(folder, name, field);
  const key = foldName(fileName);
  const there = folder.entries.get(key);
  if (there === "file") throw new InvalidField(field, "is the same file as another on some systems");
  if (there) throw new InvalidField(field, "is another file's folder");
  folder.entries.set(key, "file");
}

function enter(folder: Folder, name: string, field: string): Folder {
  const key = foldName(name);
  const there = folder.entries.get(key);
  if (there === "file") throw new InvalidField(field, "has another file as its folder");
  // Two spellings of one folder would be one folder on some systems and two on others.
  if (there && there.name !== name)
    throw new InvalidField(field, "has the same folder as another on some systems");
  if (there) return there;
  const made: Folder = { name, entries: new Map() };
  folder.entries.set(key, made);
  return made;
}
