import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { InvalidField } from "#core/base/errors.ts";
import { checkPath } from "#core/base/file-name.ts";
import { type CreateTorrentOptions, createTorrent, type TorrentDraft } from "#core/torrent/create-torrent.ts";
import type { Torrent, TorrentFile } from "#core/torrent/torrent.ts";
import { compareBytewise } from "#core/torrent/torrent-files.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { nodeDisk, storeFailed } from "./disk.ts";
import { FileMap } from "./file-map.ts";
import { PartFiles } from "./part-files.ts";

/** Called for each link, socket and device, which a torrent cannot contain. `path` is relative to the folder. */
export type OnSkipped = (path: string, reason: string) => void;

export interface CreateFromPathOptions
  extends CreateTorrentOptions,
    Pick<TorrentDraft, "pieceLength" | "trackers" | "comment" | "createdAt" | "replicationTarget"> {
  /** Default: the name of the file or folder. */
  readonly fileName?: string | undefined;
  readonly onSkipped?: OnSkipped | undefined;
}

/**
 * Creates the torrent of a file or folder. A folder's files come in bytewise order of their paths, empty files
 * included; links and special files are skipped. A link given as `path` is followed. Fails as createTorrent does,
 * with InvalidField that names the path for a name not safe on every system, and with StoreFailed.
 */
export async function createTorrentFromPath(
  path: string,
  {
    onProgress,
    signal,
    onSkipped,
    fileName = basename(resolve(path)),
    ...fields
  }: CreateFromPathOptions = {},
): Promise<Torrent> {
  const { bytes, ...content } = await openContent(path, onSkipped);
  const read: TorrentDraft["read"] = (offset, count) => bytes.read(offset, count);
  try {
    return await createTorrent({ ...content, read, ...fields, fileName }, nodeHasher, { onProgress, signal });
  } finally {
    await bytes.close();
  }
}

async function openContent(path: string, onSkipped: OnSkipped = () => {}) {
  try {
    const root = await realpath(path);
    const facts = await stat(root);
    const files = facts.isDirectory() ? await filesIn(root, onSkipped) : undefined;
    const length = files ? files.reduce((sum, file) => sum + file.length, 0) : facts.size;
    return { length, files, bytes: new PartFiles(nodeDisk, root, new FileMap(files, length), "read") };
  } catch (error) {
    throw error instanceof InvalidField ? error : storeFailed(`reading ${basename(path)}`, error);
  }
}

async function filesIn(root: string, onSkipped: OnSkipped): Promise<TorrentFile[]> {
  const files: TorrentFile[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile())
        files.push({ path: checked(path), length: (await stat(join(root, path))).size });
      else onSkipped(path, entry.isSymbolicLink() ? "is a link" : "is not a regular file");
    }
  }
  return files.sort((a, b) => compareBytewise(a.path, b.path));
}

function checked(path: string): string {
  // Node decodes a name that is not UTF-8 with this replacement character.
  if (path.includes("\ufffd")) throw new InvalidField(path, "must be UTF-8");
  return checkPath(path, path);
}
