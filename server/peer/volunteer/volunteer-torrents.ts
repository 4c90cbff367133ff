import { readFile } from "node:fs/promises";
import { PiezaError } from "#core/base/errors.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import { torrentFromPeer } from "#core/rpc/rpc.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { breathing } from "../../base/long-work.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { replaceFile } from "../../base/replace-file.ts";
import type { Reach } from "../../http/client/reach.ts";
import { openTransport } from "../../http/client/transports.ts";

/** Torrents remembered; beyond that the oldest are forgotten. */
const MAX_KNOWN = 2_000;

export interface VolunteerTorrentsOptions {
  readonly catalogs: readonly Catalog[];
  /** Path of the file that records which torrents the catalogs had. */
  readonly file: string;
  /** PEM certificates to trust in addition to the system's. */
  readonly ca: string | undefined;
  readonly reach: Reach;
}

/**
 * Finds the torrents of orders in this peer's own catalogs. A peer is asked only while no catalog answers, and only
 * for a torrent that a catalog once had, so no one can make this peer keep what its catalogs never knew.
 */
export class VolunteerTorrents {
  readonly #options: VolunteerTorrentsOptions;
  /** By info hash: the replication target of the catalog's torrent, or null. */
  readonly #known = new Map<string, number | null>();

  constructor(options: VolunteerTorrentsOptions) {
    this.#options = options;
  }

  /** Reads the record of earlier runs. A damaged file counts as empty. */
  async load(): Promise<void> {
    const text = await readFile(this.#options.file, "utf8").catch(() => "{}");
    try {
      for (const [infoHash, target] of Object.entries(JSON.parse(text) as Record<string, number | null>))
        this.#known.set(infoHash, target);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }

  /**
   * Fails with PiezaError: not_found if no catalog has the torrent (or none answers and none ever had it),
   * unavailable if it is known but no catalog or peer provides it now.
   */
  async find(infoHash: string, peers: readonly string[], signal: AbortSignal): Promise<Torrent> {
    let away: unknown;
    for (const catalog of this.#options.catalogs) {
      try {
        const { torrent } = await catalog.get({ infoHash }, signal);
        await this.#remember(torrent);
        return torrent;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof PiezaError)) throw error;
        if (error.code !== "not_found") away = error;
      }
    }
    if (!away || !this.#known.has(infoHash))
      throw new PiezaError("not_found", "no catalog of this peer has that torrent", { cause: away });
    return this.#fromPeers(infoHash, peers, signal);
  }

  async #fromPeers(infoHash: string, peers: readonly string[], signal: AbortSignal): Promise<Torrent> {
    const { ca, reach } = this.#options;
    for (const url of peers) {
      let close = () => {};
      try {
        const opened = openTransport(url, "connect", { ca, lookup: reach.lookupTo(url) });
        close = opened.close;
        const torrent = await torrentFromPeer(opened.transport, infoHash, nodeHasher, signal, breathing());
        // The info hash does not cover the replication target, so the value that the catalog gave is used.
        return { ...torrent, replicationTarget: this.#known.get(infoHash) ?? undefined };
      } catch {
        signal.throwIfAborted();
      } finally {
        close();
      }
    }
    throw new PiezaError("unavailable", "no catalog answers, and no peer has the torrent");
  }

  async #remember({ infoHash, replicationTarget }: Torrent): Promise<void> {
    const target = replicationTarget ?? null;
    if (this.#known.get(infoHash) === target) return;
    this.#known.delete(infoHash);
    this.#known.set(infoHash, target);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN) this.#known.delete(oldest!);
    await replaceFile(this.#options.file, JSON.stringify(Object.fromEntries(this.#known)));
  }
}
