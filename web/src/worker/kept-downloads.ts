import { messageOf, PiezaError } from "#core/base/errors.ts";
import type { Hasher } from "#core/base/hash.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { parseTorrentText, torrentText } from "#core/torrent/torrent-json.ts";
import type { EarlierRun } from "../base/messages.ts";
import { OpfsFile } from "./storage/opfs-file.ts";
import { DATA_FILE } from "./storage/opfs-piece-store.ts";

/**
 * The folder of all downloads in the private storage of the origin (OPFS). Each has a subfolder named by its info
 * hash.
 */
const TOP_FOLDER = "downloads";
const TORRENT_FILE = "torrent.json";
const NAME_FILE = "name";
/** The lengths that were learned for a torrent without lengths. */
const LENGTHS_FILE = "lengths.json";
/** The indexes of the wanted files, if not all are wanted. */
const SELECTED_FILE = "selected.json";
/** The events of all runs. */
const TIMELINE_FILE = "timeline.json";

/** States of a download that an empty file of this name records. */
export type Mark = "paused" | "handed-over";

/** The folder of one download: torrent, pieces with their journal, and marks. */
export class KeptDownload {
  readonly infoHash: string;
  readonly folder: FileSystemDirectoryHandle;

  private constructor(infoHash: string, folder: FileSystemDirectoryHandle) {
    this.infoHash = infoHash;
    this.folder = folder;
  }

  /** All kept downloads in any state, in order of info hash. */
  static async list(): Promise<KeptDownload[]> {
    const kept: KeptDownload[] = [];
    for await (const [name, handle] of (await topFolder()).entries()) {
      if (handle.kind === "directory") kept.push(new KeptDownload(name, handle as FileSystemDirectoryHandle));
    }
    return kept.sort((a, b) => (a.infoHash < b.infoHash ? -1 : 1));
  }

  /** Whether a torrent is stored under this info hash. False once its download was removed, in any tab. */
  static async isKept(infoHash: string): Promise<boolean> {
    try {
      await (await (await topFolder()).getDirectoryHandle(infoHash)).getFileHandle(TORRENT_FILE);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** Creates or reopens the folder of a download. Call it only with the lock of the download. */
  static async create(torrent: Torrent, name: string): Promise<KeptDownload> {
    const folder = await (await topFolder()).getDirectoryHandle(torrent.infoHash, { create: true });
    await writeText(folder, NAME_FILE, name);
    await writeText(folder, TORRENT_FILE, torrentText(torrent));
    return new KeptDownload(torrent.infoHash, folder);
  }

  /** Reads the torrent and its name in the catalog. Fails with not_found if the torrent is not whole. */
  async load(hasher: Hasher): Promise<{ torrent: Torrent; name: string }> {
    try {
      const torrent = await parseTorrentText(await this.#readText(TORRENT_FILE), hasher);
      if (torrent.infoHash !== this.infoHash) throw new Error("of another torrent");
      return { torrent, name: await this.#readText(NAME_FILE) };
    } catch (error) {
      throw new PiezaError("not_found", `no download is kept here: ${messageOf(error)}`, { cause: error });
    }
  }

  /** The learned geometry of a torrent without lengths, if there is one. */
  async lengths(): Promise<PieceGeometry | undefined> {
    try {
      const { length, pieceLength } = JSON.parse(await this.#readText(LENGTHS_FILE));
      return new PieceGeometry(length, pieceLength);
    } catch {
      return undefined;
    }
  }

  async setLengths({ length, pieceLength }: PieceGeometry): Promise<void> {
    await writeText(this.folder, LENGTHS_FILE, JSON.stringify({ length, pieceLength }));
  }

  /** Indexes of the wanted files; undefined for all. */
  selected(): Promise<readonly number[] | undefined> {
    return this.#readJson(SELECTED_FILE);
  }

  /** Earlier runs, the oldest first. */
  async timeline(): Promise<readonly EarlierRun[]> {
    return (await this.#readJson<readonly EarlierRun[]>(TIMELINE_FILE)) ?? [];
  }

  setTimeline(runs: readonly EarlierRun[]): Promise<void> {
    return writeText(this.folder, TIMELINE_FILE, JSON.stringify(runs));
  }

  async setSelected(files: readonly number[] | undefined): Promise<void> {
    if (files) await writeText(this.folder, SELECTED_FILE, JSON.stringify(files));
    else await this.folder.removeEntry(SELECTED_FILE).catch(() => undefined);
  }

  async isMarked(mark: Mark): Promise<boolean> {
    return this.folder.getFileHandle(mark).then(
      () => true,
      () => false,
    );
  }

  async setMark(mark: Mark, on: boolean): Promise<void> {
    if (on) await this.folder.getFileHandle(mark, { create: true });
    else await this.folder.removeEntry(mark).catch(() => undefined);
  }

  /** The file with the pieces, backed by the disk. */
  async data(): Promise<File> {
    return (await this.folder.getFileHandle(DATA_FILE)).getFile();
  }

  /** Bytes that the file with the pieces has now. */
  async sizeBytes(): Promise<number> {
    return this.data().then(
      (file) => file.size,
      () => 0,
    );
  }

  /** Deletes the folder. Close the store first. */
  async remove(): Promise<void> {
    const top = await topFolder();
    await top.removeEntry(this.infoHash, { recursive: true }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }

  /** Reads a JSON file that this class wrote; undefined if it is missing or torn. */
  async #readJson<T>(name: string): Promise<T | undefined> {
    try {
      return JSON.parse(await this.#readText(name));
    } catch {
      return undefined;
    }
  }

  async #readText(name: string): Promise<string> {
    return (await (await this.folder.getFileHandle(name)).getFile()).text();
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof DOMException && error.name === "NotFoundError";
}

async function topFolder(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(TOP_FOLDER, { create: true });
}

/** Uses a sync access handle, because not every browser has `createWritable`. */
async function writeText(folder: FileSystemDirectoryHandle, name: string, text: string): Promise<void> {
  const file = await OpfsFile.open(folder, name);
  try {
    const bytes = new TextEncoder().encode(text);
    file.truncate(bytes.length);
    file.write(bytes, 0);
    file.flush();
  } finally {
    file.close();
  }
}
