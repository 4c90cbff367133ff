import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import { sha256 } from "#core/base/hash.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { parseTorrentText, torrentText } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { FilePieceStore } from "../stores/file-piece-store.ts";

const TORRENT_FILE = "torrent.json";
/** What the pieces would make. It never gets this name: the journal beside it spares hashing at every start. */
const TARGET = "content";
/** How exactly the time of the last piece is kept. */
const TOUCH_MS = 60_000;

/** Where the torrent's JSON of such a folder is. */
export function torrentFileOf(folder: string): string {
  return join(folder, TORRENT_FILE);
}

/** What a store of such a folder has as its target. */
export function contentOf(folder: string): string {
  return join(folder, TARGET);
}

/**
 * A torrent whose pieces this peer keeps for others: a folder with its JSON, whose time is that of the last touch, and a
 * store. Who stores more than the disk has room for fails then, not at the start.
 */
export class StoredTorrent {
  readonly torrent: Torrent;
  readonly store: FilePieceStore;
  readonly #folder: string;
  #touchedMs: number;

  private constructor(folder: string, torrent: Torrent, store: FilePieceStore, touchedMs: number) {
    this.#folder = folder;
    this.torrent = torrent;
    this.store = store;
    this.#touchedMs = touchedMs;
  }

  /** Keeps a torrent from now on. Fails with failed_precondition for one without lengths, and with StoreFailed. */
  static async begin(folder: string, torrent: Torrent, nowMs: number): Promise<StoredTorrent> {
    if (!torrent.lengths)
      throw new PiezaError("failed_precondition", "this torrent does not say its lengths");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = torrentFileOf(folder);
    await writeFile(`${path}.new`, torrentText(torrent));
    await utimes(`${path}.new`, nowMs / 1000, nowMs / 1000);
    await rename(`${path}.new`, path);
    return StoredTorrent.open(folder);
  }

  /** Takes up what an earlier run kept. Fails with what is wrong with the folder. */
  static async open(folder: string): Promise<StoredTorrent> {
    const path = torrentFileOf(folder);
    const torrent = await parseTorrentText(await readFile(path, "utf8"), nodeHasher);
    const store = await FilePieceStore.open({
      torrent,
      geometry: geometryOf(torrent)!,
      target: contentOf(folder),
      neededBytes: 0,
      hasher: nodeHasher,
    });
    return new StoredTorrent(folder, torrent, store, (await stat(path)).mtimeMs);
  }

  /** Wall-clock milliseconds of the last piece, or of the beginning. */
  get touchedMs(): number {
    return this.#touchedMs;
  }

  get heldBytes(): number {
    return this.store.geometry.bytesOf(this.store.held);
  }

  /** Throws out_of_range for a number that the torrent does not have. */
  indexOf(number: number): PieceIndex {
    const { geometry } = this.store;
    const index = geometry.indexOfNumber(number);
    if (index !== undefined) return index;
    throw new PiezaError("out_of_range", `there is no piece ${number}, only 1 to ${geometry.count}`);
  }

  /** Fails with InvalidField unless these bytes are the piece. */
  async check(index: PieceIndex, data: Uint8Array): Promise<void> {
    const length = this.store.geometry.lengthOf(index);
    if (data.length !== length)
      throw new InvalidField("data", `has ${data.length} bytes, the piece ${length}`);
    if ((await sha256(nodeHasher, data)) !== this.torrent.pieces[index])
      throw new InvalidField("data", `is not piece ${index + 1} of this torrent`);
  }

  /** Keeps a piece that was checked. */
  async put(index: PieceIndex, data: Uint8Array, nowMs: number): Promise<void> {
    this.store.write(index, 0, data);
    await this.store.commit(index);
    await this.touch(nowMs);
  }

  /** It was of use. */
  async touch(nowMs: number): Promise<void> {
    if (nowMs - this.#touchedMs < TOUCH_MS) return;
    this.#touchedMs = nowMs;
    await utimes(torrentFileOf(this.#folder), nowMs / 1000, nowMs / 1000);
  }

  close(): Promise<void> {
    return this.store.close();
  }

  /** Closes it and deletes everything. */
  async remove(): Promise<void> {
    await this.store.close().catch(() => {});
    await rm(this.#folder, { recursive: true, force: true });
  }
}
