import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { AnnouncedTorrent } from "#core/ports/tracker.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { Log } from "../../http/base/log.ts";
import { Announcing, type AnnouncingOptions, type PeerAddress } from "../announcing/announcing.ts";
import { atMost } from "../announcing/at-most.ts";
import type { Lock } from "../stores/lock.ts";
import { RelayedCopying } from "./relayed-copying.ts";
import { heard, hearTorrent, lockRole, roleFiles, told } from "./role-files.ts";
import { HeardFile, LOOK_MS, Looking, ToldFile } from "./told-file.ts";

export interface AnnounceRoleOptions
  extends Pick<AnnouncingOptions, "trackers" | "ca" | "onStatus" | "zone"> {
  /** The data folder of all processes of the peer. */
  readonly dataDir: string;
  /** The port of the serving process; not 0. */
  readonly port: number;
  /** Time that `drain` waits for other peers to copy what only this peer has. Default 0. */
  readonly drainMs?: number | undefined;
  readonly log?: Log | undefined;
}

/** A torrent that the serving process has written of. */
interface Served {
  readonly file: HeardFile<ReturnType<typeof hearTorrent>>;
  torrent: ReturnType<typeof hearTorrent> | undefined;
}

/**
 * The announcing part of a peer, as a process: announces what the serving process holds and passes trackers' orders
 * to the replicating process. Works whether those run at the moment or not.
 */
export class AnnounceRole {
  readonly #files: ReturnType<typeof roleFiles>;
  readonly #announcing: Announcing;
  readonly #copying: RelayedCopying;
  readonly #serving: HeardFile<PeerAddress>;
  readonly #served = new Map<string, Served>();
  readonly #looking: Looking;
  readonly #log: Log | undefined;
  readonly #drainMs: number;
  readonly #lock: Lock;
  #revision = 0;
  #grantCount = 0;
  #started = false;

  private constructor(options: AnnounceRoleOptions, folder: string, lock: Lock) {
    this.#lock = lock;
    this.#files = roleFiles(folder);
    this.#log = options.log;
    this.#drainMs = options.drainMs ?? 0;
    const warn = (error: unknown) => this.#warn(error);
    // At once, because the next announce must not include the pieces whose drop was granted.
    this.#copying = new RelayedCopying(folder, warn, () => this.#announceAll());
    this.#announcing = new Announcing({ ...options, leaseFolder: folder, copying: this.#copying });
    this.#serving = new HeardFile(this.#files.serving, heard<PeerAddress>);
    this.#looking = new Looking(nodeClock, () => this.#look(), warn);
  }

  /**
   * Fails with failed_precondition while another process announces this peer, and if the folder cannot be written.
   */
  static async start(options: AnnounceRoleOptions): Promise<AnnounceRole> {
    const folder = join(options.dataDir, `peer-${options.port}`);
    const role = new AnnounceRole(options, folder, lockRole(folder, "announce"));
    const keys = role.#announcing.identifyKeys.map((key) => Buffer.from(key).toString("hex"));
    await new ToldFile(role.#files.identifyKeys).tell(told({ keys }));
    // Leaves the serving process time to read the keys, so that it can prove its address at the first announce.
    await new Promise<void>((resolve) => nodeClock.after(2 * LOOK_MS, resolve));
    await role.#copying.start();
    await role.#looking.start();
    return role;
  }

  /** Asks the trackers not to name the peer any more and waits until other peers have what only this peer has. */
  async drain(): Promise<void> {
    await this.#announcing.drain();
    await atMost(this.#drainMs, this.#announcing.handedOver());
  }

  /** Tells the trackers that the peer leaves. */
  async close(): Promise<void> {
    await this.#looking.stop();
    await this.#announcing.stop();
    await this.#copying.stop();
    this.#lock.release();
  }

  async #look(): Promise<void> {
    await this.#copying.look();
    const grantsEnded = this.#copying.grantCount < this.#grantCount;
    this.#grantCount = this.#copying.grantCount;
    const names = await readdir(this.#files.served).catch(() => []);
    const infoHashes = new Set(
      names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name)).map((name) => name.slice(0, 64)),
    );
    for (const infoHash of this.#served.keys()) if (!infoHashes.has(infoHash)) this.#leave(infoHash);
    for (const infoHash of infoHashes) await this.#follow(infoHash);
    if (grantsEnded) this.#announceAll();
    const serving = await this.#serving.news();
    if (this.#started || !serving || serving === "gone") return;
    this.#started = true;
    this.#announcing.start(serving.value);
  }

  async #follow(infoHash: string): Promise<void> {
    const served: Served = this.#served.get(infoHash) ?? {
      file: new HeardFile(this.#files.servedTorrent(infoHash), hearTorrent),
      torrent: undefined,
    };
    this.#served.set(infoHash, served);
    const news = await served.file.news();
    if (news === "gone") return this.#leave(infoHash);
    if (!news) return;
    served.torrent = news.value;
    this.#update(this.#copying.announced(news.value));
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

  #warn(error: unknown): void {
    const message = `the other processes of this peer are not heard: ${String(error)}`;
    this.#log?.({ level: "warn", event: "role_files", message });
  }
}
