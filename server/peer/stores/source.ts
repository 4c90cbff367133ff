import { readdirSync } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { InvalidField } from "#core/base/errors.ts";
import { checkPath } from "#core/base/file-name.ts";
import { type CreateTorrentOptions, createTorrent, type TorrentDraft } from "#core/torrent/create-torrent.ts";
import { matcher } from "#core/torrent/selection.ts";
import type { Torrent, TorrentFile } from "#core/torrent/torrent.ts";
import { compareBytewise } from "#core/torrent/torrent-files.ts";
import { nodeHasher, sha1Hex } from "../../base/node-hasher.ts";
import { beneath } from "./beneath.ts";
import { storeFailed } from "./disk.ts";
import { FileMap } from "./file-map.ts";
import { InPlaceFiles, type InPlaceOptions } from "./in-place-files.ts";

/** Called for everything that a torrent cannot contain. `path` is relative to the folder; `reason`: "is a link". */
export type OnSkipped = (path: string, reason: string) => void;

/** Which entries of a folder belong to its torrent. */
interface FolderOptions extends InPlaceOptions {
  /** Patterns of paths in the folder that are left out, as selectFiles takes them. */
  readonly exclude?: readonly string[] | undefined;
  readonly onSkipped?: OnSkipped | undefined;
}

export interface CreateFromPathOptions
  extends CreateTorrentOptions,
    FolderOptions,
    Pick<TorrentDraft, "pieceLength" | "trackers" | "comment" | "createdAt" | "replicationTarget"> {
  /** Whether the torrent gets the SHA-1 of each piece, for BitTorrent clients. Default false. */
  readonly bittorrent?: boolean | undefined;
  /** Default: the name of the file or folder. */
  readonly fileName?: string | undefined;
}

/**
 * Creates the torrent of a file or folder. A folder's files come in bytewise order of their paths, empty files
 * included; special files are skipped, and links unless they are followed. A link given as `path` is always followed.
 * Fails as createTorrent does, with InvalidField that names the path for a name not safe on every system and for
 * nothing to share, and with StoreFailed.
 */
export async function createTorrentFromPath(
  path: string,
  {
    onProgress,
    signal,
    onSkipped,
    exclude,
    followLinks,
    bittorrent,
    fileName = basename(resolve(path)),
    ...fields
  }: CreateFromPathOptions = {},
): Promise<Torrent> {
  const failed = (error: unknown) =>
    error instanceof InvalidField ? error : storeFailed(`reading ${basename(path)}`, error);
  const { bytes, ...content } = await openContent(path, { onSkipped, exclude, followLinks }).catch(
    (error) => {
      throw failed(error);
    },
  );
  const read: TorrentDraft["read"] = (offset, count) =>
    bytes.read(offset, count).catch((error) => {
      throw failed(error);
    });
  try {
    return await createTorrent({ ...content, read, ...fields, fileName }, nodeHasher, {
      ...{ onProgress, signal },
      sha1: bittorrent ? sha1Hex : undefined,
    });
  } finally {
    bytes.close();
  }
}

async function openContent(path: string, options: FolderOptions) {
  const root = await realpath(path);
  const facts = await stat(root);
  const name = basename(resolve(path));
  if (!facts.isFile() && !facts.isDirectory()) throw new InvalidField(name, "is neither a file nor a folder");
  const files = facts.isDirectory() ? await new FolderWalk(root, options).files() : undefined;
  if (files?.length === 0) throw new InvalidField(name, "has no files to share");
  const length = files ? files.reduce((sum, file) => sum + file.length, 0) : facts.size;
  return { length, files, bytes: new InPlaceFiles(root, new FileMap(files, length), options) };
}

/** Finds the files of a folder. */
class FolderWalk {
  readonly #root: string;
  readonly #followLinks: boolean;
  readonly #excludes: (path: string) => boolean;
  readonly #onSkipped: OnSkipped;
  readonly #files: TorrentFile[] = [];

  constructor(root: string, { exclude = [], followLinks = false, onSkipped = () => {} }: FolderOptions) {
    const patterns = exclude.map(matcher);
    this.#root = root;
    this.#followLinks = followLinks;
    this.#excludes = (path) => patterns.some((fits) => fits(path));
    this.#onSkipped = onSkipped;
  }

  async files(): Promise<TorrentFile[]> {
    await this.#enter("", [this.#root]);
    return this.#files.sort((a, b) => compareBytewise(a.path, b.path));
  }

  /** `within`: the real paths of the folder and of those around it, to which a link may lead back. */
  async #enter(folder: string, within: readonly string[]): Promise<void> {
    const entries = this.#followLinks
      ? await readdir(join(this.#root, folder), { withFileTypes: true })
      : beneath(this.#root, folder === "" ? "." : `${folder}/.`, (at) =>
          readdirSync(at, { withFileTypes: true }),
        );
    if (entries.length === 0 && folder !== "") this.#onSkipped(folder, "is an empty folder");
    for (const entry of entries) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (this.#excludes(path)) continue;
      if (!entry.isSymbolicLink()) await this.#take(path, entry, within);
      else if (this.#followLinks) await this.#follow(path, within);
      else this.#onSkipped(path, "is a link");
    }
  }

  async #take(path: string, kind: Kind, within: readonly string[]): Promise<void> {
    const full = join(this.#root, path);
    if (kind.isDirectory()) await this.#enter(path, [...within, await realpath(full)]);
    else if (kind.isFile()) this.#files.push({ path: checked(path), length: (await stat(full)).size });
    else this.#onSkipped(path, "is not a regular file");
  }

  async #follow(path: string, within: readonly string[]): Promise<void> {
    const target = await realpath(join(this.#root, path)).catch(() => undefined);
    if (target === undefined) this.#onSkipped(path, "is a link to nothing");
    else if (within.includes(target)) this.#onSkipped(path, "is a link to a folder that it is in");
    else await this.#take(path, await stat(target), within);
  }
}

interface Kind {
  isFile(): boolean;
  isDirectory(): boolean;
}

function checked(path: string): string {
  // Node decodes a name that is not UTF-8 with this replacement character.
  if (path.includes("\ufffd")) throw new InvalidField(path, "must be UTF-8");
  return checkPath(path, path);
}
