import { LRUCache } from "lru-cache";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { Log } from "../../http/base/log.ts";
import type { Reach } from "../../http/client/reach.ts";
import { type ContentReader, type ContentSource, heldContent } from "../serving/content-source.ts";
import type { ServedStore, ServedTorrent, ServedTorrents } from "../stores/served-torrents.ts";
import type { CachedPieces } from "./cached-pieces.ts";
import { GatewayTorrent } from "./gateway-torrent.ts";
import { PieceCache } from "./piece-cache.ts";

/** What the operator of a gateway gives it. */
export interface GatewayRules {
  /** Asked for every torrent. Content of torrents that they do not know is not fetched. */
  readonly catalogs: readonly Catalog[];
  /** The trackers of a torrent, URLs: its own, the operator's, or those that the catalogs name. */
  readonly trackersOf: (torrent: Torrent) => Promise<readonly string[]>;
  /** Bytes of all cached pieces together; at least MIN_CACHE_BYTES. */
  readonly cacheBytes: number;
  /** Longest wait of a reader without a piece. */
  readonly giveUpAfterMs: number;
}

export interface GatewayOptions extends GatewayRules {
  /** Path, created if missing. */
  readonly folder: string;
  /** PEM certificates to trust in addition to the system's. */
  readonly ca: string | undefined;
  /** The addresses that may be dialled because a server named them. */
  readonly reach: Reach;
  readonly log?: Log | undefined;
}

/** The peer that serves the cached pieces to the swarm. */
export interface GatewayServing {
  /** Whether trackers list this peer under that URL. */
  isSelf(url: string): boolean;
  addCached(torrent: Torrent, store: ServedStore): void;
  removeCached(infoHash: string): void;
  changed(infoHash: string): void;
}

/** Four of the largest pieces, so that a few readers do not evict each other's next piece. */
export const MIN_CACHE_BYTES = 64 << 20;
/** Torrents that were looked up are remembered up to this number of pieces, and unknown ones for this time. */
const MAX_KNOWN_PIECES = 1 << 20;
const MAX_UNKNOWN = 10_000;
const UNKNOWN_MS = 5_000;
/** Torrents that are fetched at the same time: each has its own connections. */
const MAX_OPEN = 64;
const LOOK_UP_MS = 10_000;

/** Makes the content of every torrent of its catalogs readable: fetches, verifies, keeps and serves the pieces. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #cache: PieceCache;
  /** Torrents with readers or with cached pieces. */
  readonly #torrents = new Map<string, GatewayTorrent>();
  /** Readers by info hash, those included whose torrent is still being opened. */
  readonly #readers = new Map<string, number>();
  readonly #known = new LRUCache<string, Torrent>({
    maxSize: MAX_KNOWN_PIECES,
    sizeCalculation: ({ pieces }) => pieces.length,
  });
  /** Info hashes that no catalog knows, so that a flood of requests does not reach the catalogs. */
  readonly #unknown = new LRUCache<string, PiezaError>({ max: MAX_UNKNOWN, ttl: UNKNOWN_MS });
  readonly #looking = new Map<string, Promise<Torrent>>();
  #serving: GatewayServing | undefined;
  #served: ServedTorrents | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { folder, cacheBytes, log } = options;
    this.#cache = new PieceCache({
      ...{ folder, capacityBytes: cacheBytes, log },
      onHeld: (infoHash, index) => this.#onHeld(infoHash, index),
      onLost: (infoHash, index) => this.#onLost(infoHash, index),
    });
  }

  /** Bytes of cached pieces, and the bound of them. */
  space(): { usedBytes: number; capacityBytes: number } {
    return { usedBytes: this.#cache.usedBytes, capacityBytes: this.#options.cacheBytes };
  }

  /** Serves the pieces of earlier runs. */
  async start(serving: GatewayServing): Promise<void> {
    this.#serving = serving;
    for (const pieces of await this.#cache.open()) {
      this.#add(pieces);
      if (pieces.held.count > 0) serving.addCached(pieces.torrent, pieces);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#torrents.values()].map((torrent) => torrent.stop()));
  }

  /** The content that this gateway can give, beside what its peer serves anyway. */
  source(served: ServedTorrents): ContentSource {
    this.#served = served;
    const held = heldContent(served);
    return {
      find: (infoHash) => served.get(infoHash) ?? this.#find(infoHash),
      read: (content, bytes) => {
        const own = served.get(content.torrent.infoHash);
        // What is cached may be evicted at any moment, and is then fetched again.
        const isKept = own?.store.held.complete && !this.#torrents.has(own.torrent.infoHash);
        return isKept ? held.read(own, bytes) : this.#read(content.torrent, bytes);
      },
    };
  }

  async #find(infoHash: string): Promise<ServedTorrent> {
    const torrent = await this.#lookUp(infoHash);
    const geometry = geometryOf(torrent);
    const pieces = this.#torrents.get(infoHash)?.pieces;
    if (!pieces && !geometry)
      throw new PiezaError("not_found", "this torrent does not say how long its file is");
    return { torrent, store: pieces ?? emptyStore(geometry!), counts: new Map() };
  }

  #read(torrent: Torrent, bytes: Parameters<ContentSource["read"]>[1]): ContentReader {
    const { infoHash } = torrent;
    let closed = false;
    let reader: ContentReader | undefined;
    this.#countReader(infoHash, 1);
    const open = async () => {
      const opened = this.#torrents.get(infoHash) ?? (await this.#open(torrent));
      if (!closed) reader ??= opened.read(bytes);
    };
    return {
      ready: async (index) => {
        if (!reader) await open();
        await reader?.ready(index);
      },
      close: () => {
        if (closed) return;
        closed = true;
        reader?.close();
        this.#countReader(infoHash, -1);
        void this.#dropIfUnused(infoHash);
      },
    };
  }

  async #open(torrent: Torrent): Promise<GatewayTorrent> {
    const busy = [...this.#torrents.values()].filter((one) => one.busy).length;
    if (busy >= MAX_OPEN)
      throw new PiezaError("resource_exhausted", "this gateway fetches as many torrents as it can", {
        retryAfterMs: 5_000,
      });
    const pieces = await this.#cache.add(torrent);
    return this.#torrents.get(torrent.infoHash) ?? this.#add(pieces);
  }

  #add(pieces: CachedPieces): GatewayTorrent {
    const { infoHash } = pieces.torrent;
    const { trackersOf, giveUpAfterMs, ca, reach } = this.#options;
    const torrent = new GatewayTorrent({
      pieces,
      trackersOf,
      holds: (index) => (this.#served?.get(infoHash)?.store.held ?? pieces.held).has(index),
      isSelf: (url) => this.#serving?.isSelf(url) ?? false,
      giveUpAfterMs,
      ...{ ca, reach },
      clock: nodeClock,
      onIdle: () => void this.#dropIfUnused(infoHash),
    });
    this.#torrents.set(infoHash, torrent);
    return torrent;
  }

  #onHeld(infoHash: string, index: PieceIndex): void {
    const torrent = this.#torrents.get(infoHash);
    if (!torrent) return;
    if (torrent.pieces.held.count === 1) this.#serving?.addCached(torrent.pieces.torrent, torrent.pieces);
    else this.#serving?.changed(infoHash);
    torrent.onHeld(index);
  }

  #onLost(infoHash: string, index: PieceIndex): void {
    const torrent = this.#torrents.get(infoHash);
    if (!torrent) return;
    void torrent.onLost(index);
    if (torrent.pieces.held.count > 0) this.#serving?.changed(infoHash);
    else {
      this.#serving?.removeCached(infoHash);
      void this.#dropIfUnused(infoHash);
    }
  }

  #countReader(infoHash: string, change: 1 | -1): void {
    const count = (this.#readers.get(infoHash) ?? 0) + change;
    if (count > 0) this.#readers.set(infoHash, count);
    else this.#readers.delete(infoHash);
  }

  async #dropIfUnused(infoHash: string): Promise<void> {
    const torrent = this.#torrents.get(infoHash);
    if (!torrent || torrent.busy || torrent.pieces.held.count > 0 || this.#readers.has(infoHash)) return;
    this.#torrents.delete(infoHash);
    await this.#cache.drop(infoHash);
  }

  /** One question to the catalogs at a time for each info hash. */
  #lookUp(infoHash: string): Promise<Torrent> {
    const cached = this.#torrents.get(infoHash)?.pieces.torrent ?? this.#known.get(infoHash);
    if (cached) return Promise.resolve(cached);
    const unknown = this.#unknown.get(infoHash);
    if (unknown) return Promise.reject(unknown);
    const looking =
      this.#looking.get(infoHash) ?? this.#ask(infoHash).finally(() => this.#looking.delete(infoHash));
    this.#looking.set(infoHash, looking);
    return looking;
  }

  async #ask(infoHash: string): Promise<Torrent> {
    let away: PiezaError | undefined;
    for (const catalog of this.#options.catalogs) {
      try {
        const { torrent } = await catalog.get({ infoHash }, AbortSignal.timeout(LOOK_UP_MS));
        this.#known.set(infoHash, torrent);
        return torrent;
      } catch (error) {
        if (!(error instanceof PiezaError)) throw error;
        if (error.code !== "not_found") away = error;
      }
    }
    if (away) throw new PiezaError("unavailable", `no catalog answers: ${away.message}`, { cause: away });
    const unknown = new PiezaError("not_found", "no catalog of this gateway has that torrent");
    this.#unknown.set(infoHash, unknown);
    throw unknown;
  }
}

function emptyStore(geometry: ServedStore["geometry"]): ServedStore {
  return {
    geometry,
    held: new Bitfield(geometry.count),
    read: async () => {
      throw new PiezaError("not_found", "nothing is cached yet");
    },
  };
}
