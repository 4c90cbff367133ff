import { join } from "node:path";
import type { AnnouncedTorrent } from "#core/ports/tracker.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { Announcing, type ServingAddress } from "../announcing/announcing.ts";
import { atMost } from "../announcing/at-most.ts";
import type { PeerOptions } from "../peer.ts";
import type { Lock } from "../stores/lock.ts";
import { RelayedCopying } from "./relayed-copying.ts";
import {
  decodeTorrent,
  type HeldTorrent,
  lockRole,
  roleFiles,
  servedInfoHashes,
  warnOfRoleFiles,
} from "./role-files.ts";
import { FILE_POLL_MS, HeardFile, Polling, ToldFile } from "./told-file.ts";

/** `dataDir` belongs to all processes of the peer. `port` is the serving process's, not 0. */
export type AnnounceRoleOptions = Pick<
  PeerOptions,
  "trackers" | "ca" | "onStatus" | "zone" | "dataDir" | "port" | "drainMs" | "log"
>;

/** A torrent that the serving process has written a file for. */
interface Served {
  readonly file: HeardFile<HeldTorrent>;
  torrent: HeldTorrent | undefined;
}

/**
 * The announcing part of a peer, as a process: announces what the serving process holds and passes trackers' orders
 * to the replicating process. Works whether those run at the moment or not.
 */
export class AnnounceRole {
  readonly #files: ReturnType<typeof roleFiles>;
  readonly #announcing: Announcing;
  readonly #copying: RelayedCopying;
  readonly #serving: HeardFile<ServingAddress>;
  readonly #served = new Map<string, Served>();
  readonly #polling: Polling;
  readonly #drainMs: number;
  readonly #lock: Lock;
  #revision = 0;
  #grantCount = 0;
  #started = false;

  private constructor(options: AnnounceRoleOptions, folder: string, lock: Lock) {
    this.#lock = lock;
    this.#files = roleFiles(folder);
    this.#drainMs = options.drainMs ?? 0;
    const warn = warnOfRoleFiles(options.log);
    // At once, because the next announce must not include the pieces whose drop was granted.
    this.#copying = new RelayedCopying(folder, warn, () => this.#announceAll());
    this.#announcing = new Announcing({ ...options, leaseFolder: folder, copying: this.#copying });
    this.#serving = new HeardFile(this.#files.serving);
    this.#polling = new Polling(() => this.#poll(), warn);
  }

  /** Fails with failed_precondition while another process announces, and if the folder cannot be written. */
  static async start(options: AnnounceRoleOptions): Promise<AnnounceRole> {
    const folder = join(options.dataDir, `peer-${options.port}`);
    const role = new AnnounceRole(options, folder, lockRole(folder, "announce"));
    try {
      await role.#start();
      return role;
    } catch (error) {
      await role.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const keys = this.#announcing.identifyKeys.map((key) => Buffer.from(key).toString("hex"));
    await new ToldFile(this.#files.identifyKeys).tell({ keys });
    // Leaves the serving process time to read the keys, so that it can prove its address at the first announce.
    await new Promise<void>((resolve) => nodeClock.after(2 * FILE_POLL_MS, resolve));
    await this.#copying.start();
    await this.#polling.start();
  }

  /** Asks the trackers not to name the peer any more and waits until other peers have what only this peer has. */
  async drain(): Promise<void> {
    await this.#announcing.drain();
    await atMost(this.#drainMs, this.#announcing.handedOver());
  }

  /** Tells the trackers that the peer leaves. */
  async close(): Promise<void> {
    await this.#polling.stop();
    await this.#announcing.stop();
    await this.#copying.stop();
    this.#lock.release();
  }

  async #poll(): Promise<void> {
    await this.#copying.readNews();
    const grantsEnded = this.#copying.grantCount < this.#grantCount;
    this.#grantCount = this.#copying.grantCount;
    const infoHashes = new Set(await servedInfoHashes(this.#files.served));
    for (const infoHash of this.#served.keys()) if (!infoHashes.has(infoHash)) this.#leave(infoHash);
    for (const infoHash of infoHashes) await this.#follow(infoHash);
    if (grantsEnded) this.#announceAll();
    const serving = await this.#serving.news();
    if (this.#started || !serving) return;
    this.#started = true;
    this.#announcing.start(serving);
  }

  async #follow(infoHash: string): Promise<void> {
    const served: Served = this.#served.get(infoHash) ?? {
      file: new HeardFile(this.#files.servedTorrent(infoHash), decodeTorrent),
      torrent: undefined,
    };
    this.#served.set(infoHash, served);
    const torrent = await served.file.news();
    if (!torrent) return;
    served.torrent = torrent;
    this.#update(this.#copying.announced(torrent));
  }

  #announceAll(): void {
    for (const { torrent } of this.#served.values()) {
      if (torrent) this.#update(this.#copying.announced(torrent));
    }
  }

  #update(torrent: AnnouncedTorrent): void {
    this.#revision = Math.max(this.#revision + 1, Date.now());
    this.#announcing.update({ ...torrent, revision: this.#revision });
  }

  #leave(infoHash: string): void {
    this.#served.delete(infoHash);
    this.#announcing.leave(infoHash);
  }
}
