import { messageOf, PiezaError } from "#core/base/errors.ts";
import type { Hasher } from "#core/base/hash.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { parseTorrentText, torrentText } from "#core/torrent/torrent-json.ts";
import type { EarlierRun } from "../base/messages.ts";
import { OpfsFile } from "./storage/opfs-file.ts";
import { DATA_FILE } from "./storage/opfs-piece-store.ts";

/** The folder of all downloads at the top of the origin's private storage; one folder in it per info hash. */
const TOP_FOLDER = "downloads";
const TORRENT_FILE = "torrent.json";
const NAME_FILE = "name";
/** Of a torrent that does not tell its lengths: what was learned. */
const LENGTHS_FILE = "lengths.json";
/** Of a folder of which only some files are wanted: their indexes. */
const SELECTED_FILE = "selected.json";
/** What happened so far. */
const TIMELINE_FILE = "timeline.json";

/** What is remembered of a download by an empty file of that name. */
export type Mark = "paused" | "handed-over";

/** The folder of one download: its torrent, its bytes with their journal, and marks. */
export class KeptDownload {
  readonly infoHash: string;
  readonly folder: FileSystemDirectoryHandle;

  private constructor(infoHash: string, folder: FileSystemDirectoryHandle) {
    this.infoHash = infoHash;
    this.folder = folder;
  }

  /** Every download kept here, whatever its state, in order of info hash. */
  static async list(): Promise<KeptDownload[]> {
    const kept: KeptDownload[] = [];
    for await (const [name, handle] of (await topFolder()).entries()) {
      if (handle.kind === "directory") kept.push(new KeptDownload(name, handle as FileSystemDirectoryHandle));
    }
    return kept.sort((a, b) => (a.infoHash < b.infoHash ? -1 : 1));
  }

  /** Begins to keep a download, or goes on with it. Call it only with the download's lock. */
  static async create(torrent: Torrent, name: string): Promise<KeptDownload> {
    const folder = await (await topFolder()).getDirectoryHandle(torrent.infoHash, { create: true });
    await writeText(folder, NAME_FILE, name);
    await writeText(folder, TORRENT_FILE, torrentText(torrent));
    return new KeptDownload(torrent.infoHash, folder);
  }

  /** Fails with PiezaError("not_found") if the folder holds no whole torrent: it was never begun. */
  async load(hasher: Hasher): Promise<{ torrent: Torrent; name: string }> {
    try {
      const torrent = await parseTorrentText(await this.#readText(TORRENT_FILE), hasher);
      if (torrent.infoHash !== this.infoHash) throw new Error("of another torrent");
      return { torrent, name: await this.#readText(NAME_FILE) };
    } catch (error) {
      throw new PiezaError("not_found", `no download is kept here: ${messageOf(error)}`, { cause: error });
    }
  }

  /** What was learned of a torrent without lengths, if it was. */
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

  /** The files that are wanted, as indexes; undefined: all. */
  selected(): Promise<readonly number[] | undefined> {
    return this.#readJson(SELECTED_FILE);
  }

  /** What happened in earlier runs, the oldest first. */
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

  /** The working file, backed by the disk. */
  async data(): Promise<File> {
    return (await this.folder.getFileHandle(DATA_FILE)).getFile();
  }

  /** Bytes that the working file takes already. */
  async sizeBytes(): Promise<number> {
    return this.data().then(
      (file) => file.size,
      () => 0,
    );
  }

  /** Deletes everything kept. The store is closed. */
  async remove(): Promise<void> {
    const top = await topFolder();
    await top.removeEntry(this.infoHash, { recursive: true }).catch((error: unknown) => {
      if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
    });
  }

  /** What we wrote ourselves; undefined if it is not there, or torn. */
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

async function topFolder(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(TOP_FOLDER, { create: true });
}

/** By a sync handle, because not every browser has `createWritable`. */
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
