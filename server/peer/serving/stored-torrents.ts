import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "#core/base/clock.ts";
import { messageOf, PiezaError } from "#core/base/errors.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { Log } from "../../http/base/log.ts";
import type { ServedStore } from "../stores/served-torrents.ts";
import { StoredTorrent } from "./stored-torrent.ts";
import { indexOfNumber } from "./uploads.ts";

/** The uploads that a peer's operator allows. */
export interface UploadOptions {
  /** A torrent may be stored while one of these has it. */
  readonly catalogs: readonly Catalog[];
  /** Bytes of all stored pieces together, at most. */
  readonly maxBytes: number;
  /** Time from a torrent's last piece until it is deleted. */
  readonly expiresAfterMs: number;
  /** The token that publishers have to send; undefined: every caller may store. */
  readonly token: string | undefined;
}

/** The peer that serves the stored torrents, beside others of its own. */
export interface StoredServing {
  /** The store from which the peer serves a torrent now. */
  storeOf(infoHash: string): ServedStore | undefined;
  add(torrent: Torrent, store: ServedStore): void;
  changed(infoHash: string): void;
  remove(infoHash: string): void;
}

export interface StoredTorrentsOptions extends UploadOptions {
  /** Path; made if it is missing. Each torrent has a folder in it. */
  readonly folder: string;
  readonly log?: Log | undefined;
  readonly clock?: Clock | undefined;
  /** Wall-clock milliseconds, because ages outlive the process. Default Date.now. */
  readonly wallNow?: (() => number) | undefined;
}

/** Time between two checks of the torrents' ages and of the catalogs. */
export const STORED_CHECK_MS = 60_000;
/** Each torrent has open files. */
const MAX_TORRENTS = 1_000;

/**
 * The torrents whose pieces others stored here, by info hash.
 *
 * Invariant: the pieces held and those being written have at most `maxBytes` together, and a torrent is served
 * exactly while it is in `#torrents` and open.
 */
export class StoredTorrents {
  readonly #options: StoredTorrentsOptions;
  readonly #clock: Clock;
  readonly #wallNow: () => number;
  readonly #torrents = new Map<string, Promise<StoredTorrent>>();
  readonly #stop = new AbortController();
  #serving: StoredServing | undefined;
  #usedBytes = 0;
  #cancelCheck = () => {};
  #checking = Promise.resolve();

  constructor(options: StoredTorrentsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? nodeClock;
    this.#wallNow = options.wallNow ?? Date.now;
  }

  /** Bytes of the pieces held. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Serves the torrents of earlier runs. Folders that cannot be opened are logged and left as they are. */
  async start(serving: StoredServing): Promise<void> {
    const { folder, log } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    this.#serving = serving;
    for (const infoHash of (await readdir(folder)).filter(isSha256Hex)) {
      await this.#adopt(infoHash, StoredTorrent.open(join(folder, infoHash))).catch((error: unknown) =>
        log?.({
          level: "warn",
          event: "stored_torrent_lost",
          message: `the stored pieces of ${infoHash} cannot be served: ${messageOf(error)}`,
          info_hash: infoHash,
        }),
      );
    }
    this.#checkLater();
  }

  /** Closes every torrent; the pieces stay on disk for the next run. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the peer stops"));
    this.#cancelCheck();
    await this.#checking;
    const torrents = await Promise.allSettled(this.#torrents.values());
    for (const torrent of torrents) if (torrent.status === "fulfilled") await torrent.value.close();
  }

  /** Stores and serves one piece; resolves to whether it is new. Fails with StorePiece's errors and StoreFailed. */
  async store(infoHash: string, number: number, data: Uint8Array): Promise<boolean> {
    const stored = await this.#find(parseInfoHash(infoHash));
    const { geometry, held } = stored.store;
    const index = indexOfNumber(geometry, number);
    if (held.has(index)) return false;
    await stored.check(index, data);
    if (held.has(index)) return false;
    if (this.#usedBytes + data.length > this.#options.maxBytes)
      throw new PiezaError("resource_exhausted", "this peer's room for uploads is full");
    // Before the first await, so that two pieces cannot both take the last room.
    this.#usedBytes += data.length;
    await stored.put(index, data, this.#wallNow()).catch((error: unknown) => {
      this.#usedBytes -= data.length;
      throw error;
    });
    this.#serving?.changed(stored.torrent.infoHash);
    return true;
  }

  #find(infoHash: string): Promise<StoredTorrent> {
    const known = this.#torrents.get(infoHash);
    if (known) return known;
    if (!this.#serving) throw new PiezaError("unavailable", "this peer is just starting");
    if (this.#serving.storeOf(infoHash))
      throw new PiezaError("failed_precondition", "this peer serves that torrent from files of its own");
    if (this.#torrents.size >= MAX_TORRENTS)
      throw new PiezaError("resource_exhausted", "this peer keeps no more torrents");
    const folder = join(this.#options.folder, infoHash);
    return this.#adopt(
      infoHash,
      this.#ask(infoHash).then((torrent) => StoredTorrent.begin(folder, torrent, this.#wallNow())),
    );
  }

  /** Calls for the same torrent wait for one opening. An opening that fails is forgotten. */
  #adopt(infoHash: string, opening: Promise<StoredTorrent>): Promise<StoredTorrent> {
    const adopted = opening.then(
      (stored) => {
        this.#usedBytes += stored.heldBytes;
        this.#serving!.add(stored.torrent, stored.store);
        return stored;
      },
      (error: unknown) => {
        this.#torrents.delete(infoHash);
        throw error;
      },
    );
    this.#torrents.set(infoHash, adopted);
    return adopted;
  }

  /** The torrent from the first catalog that has it. */
  async #ask(infoHash: string): Promise<Torrent> {
    let problem = new PiezaError("not_found", "no catalog of this peer has that torrent");
    for (const catalog of this.#options.catalogs) {
      try {
        return (await catalog.get({ infoHash }, this.#stop.signal)).torrent;
      } catch (error) {
        if (!(error instanceof PiezaError)) throw error;
        if (error.code !== "not_found")
          problem = new PiezaError("unavailable", "this peer cannot ask its catalog", { cause: error });
      }
    }
    throw problem;
  }

  #checkLater(): void {
    if (this.#stop.signal.aborted) return;
    this.#cancelCheck = this.#clock.after(STORED_CHECK_MS, () => {
      this.#checking = this.#check().then(() => this.#checkLater());
    });
  }

  /** Deletes the torrents that are too old, and those that no catalog has. */
  async #check(): Promise<void> {
    for (const [infoHash, opening] of [...this.#torrents]) {
      const stored = await opening.catch(() => undefined);
      if (!stored) continue;
      const expired = this.#wallNow() - stored.touchedMs >= this.#options.expiresAfterMs;
      if (expired) await this.#drop(stored, "its time here is over");
      else if (!(await this.#mayBeKnown(infoHash))) await this.#drop(stored, "no catalog has it any more");
      if (this.#stop.signal.aborted) return;
    }
  }

  /** False only if every catalog says that it lacks the torrent; one that does not answer may have it. */
  async #mayBeKnown(infoHash: string): Promise<boolean> {
    for (const catalog of this.#options.catalogs) {
      try {
        const { torrents } = await catalog.list({ search: infoHash }, this.#stop.signal);
        if (torrents.some((torrent) => torrent.infoHash === infoHash)) return true;
      } catch {
        return true;
      }
    }
    return false;
  }

  async #drop(stored: StoredTorrent, reason: string): Promise<void> {
    const { infoHash, fileName } = stored.torrent;
    this.#torrents.delete(infoHash);
    // Meanwhile the operator may have started to serve the torrent from files of their own.
    if (this.#serving?.storeOf(infoHash) === stored.store) this.#serving.remove(infoHash);
    this.#usedBytes -= stored.heldBytes;
    await stored.remove();
    const message = `the stored pieces of ${fileName} are deleted: ${reason}`;
    this.#options.log?.({ level: "info", event: "stored_torrent_dropped", message, info_hash: infoHash });
  }
}
