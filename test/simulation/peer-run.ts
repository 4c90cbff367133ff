import { Announcer } from "#core/announce/announcer.ts";
import { StoreFailed } from "#core/base/errors.ts";
import { Download } from "#core/download/download.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import { MemoryPieceStore, type PieceStore } from "#core/ports/store.ts";
import { nodeHasher } from "../../server/base/node-hasher.ts";
import { UploadBudget } from "../../server/http/guards/upload-budget.ts";
import { Uploads } from "../../server/peer/serving/uploads.ts";
import { FilePieceStore } from "../../server/peer/stores/file-piece-store.ts";
import { ServedTorrents } from "../../server/peer/stores/served-torrents.ts";
import { Ledger } from "./ledger.ts";
import type { SimMachine } from "./sim-machine.ts";
import { SimPeer } from "./sim-peer.ts";
import { SimProcess } from "./sim-process.ts";
import { pieceOf, type World } from "./world.ts";

/** One run of a peer's process: its store, what it serves, its download and its announcers, as the real one has them. */
export class PeerRun {
  readonly process: SimProcess;
  readonly ledger: Ledger;
  readonly identifyKey: Uint8Array;
  readonly budget = new UploadBudget(1 << 20);
  readonly uploads: Uploads;
  /** When each piece came that its download got. */
  readonly heldAtMs: number[] = [];
  store: PieceStore | undefined;
  download: Download | undefined;
  readonly #world: World;
  readonly #machine: SimMachine;
  readonly #served = new ServedTorrents();
  readonly #announcers: Announcer[];
  #revision = 0;
  #stopping = false;
  #opening: Promise<void> | undefined;

  constructor(world: World, machine: SimMachine) {
    this.#world = world;
    this.#machine = machine;
    this.process = new SimProcess(world.clock, () => machine.touch());
    this.ledger = new Ledger(
      (what) => world.fail(`${machine.url}: ${what}`),
      (what) => world.note(`${machine.place} ${what}`),
    );
    this.identifyKey = Uint8Array.from({ length: 32 }, () => world.random() * 256);
    this.uploads = new Uploads(this.#served, this.budget, () => {});
    this.#announcers = world.trackers.map(
      (tracker, n) =>
        new Announcer({
          tracker: tracker.seenFrom(machine, this.process),
          clock: this.process.clock,
          random: world.random,
          address: () => ({ port: machine.port, tls: false, identifyKey: this.identifyKey }),
          leases: machine.leases[n]!,
        }),
    );
  }

  /** Fails with StoreFailed as the disk does. */
  open(): Promise<void> {
    this.#opening = this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    const { torrent } = this.#world;
    const store = await this.#openStore();
    if (this.process.dead || this.#stopping) {
      await store.close().catch(() => {});
      return;
    }
    this.store = store;
    this.#served.add(torrent, store);
    for (const announcer of this.#announcers) announcer.start();
    this.#changed();
    if (this.#machine.plan.has === "none") this.#startDownload(store);
  }

  /** In good order: nothing may be left. */
  async stop(): Promise<void> {
    this.#stopping = true;
    // A failure is told to who started it.
    await this.#opening?.catch(() => {});
    await this.download?.stop();
    await Promise.all(this.#announcers.map((announcer) => announcer.stop()));
    await this.store?.close().catch((error: unknown) => this.#expectStoreFailed(error));
    if (this.process.dead) return;
    const { timers, openFiles } = this.process;
    if (timers > 0) this.#world.fail(`${this.#machine.url}: ${timers} timers left after a stop`);
    if (openFiles > 0) this.#world.fail(`${this.#machine.url}: ${openFiles} files open after a stop`);
    if (this.ledger.open.size > 0) this.#world.fail(`${this.#machine.url}: requests go on after a stop`);
    this.process.die();
  }

  /** As SIGKILL does. The objects are still there, and are told to end so that nothing of them stays. */
  kill(): void {
    this.process.die();
    this.download?.stop();
    this.store?.close().catch(() => {});
  }

  async #openStore(): Promise<PieceStore> {
    const { torrent, geometry, random, lockFolder } = this.#world;
    const { plan, disk, target } = this.#machine;
    if (plan.has !== "none") return seedStore(this.#world, plan.has);
    return FilePieceStore.open({
      torrent,
      geometry,
      target: `${lockFolder}/${target}`,
      sync: plan.sync,
      // Without any flush a power cut may leave a spoilt file under its name.
      replace: plan.sync === "none",
      hasher: nodeHasher,
      clock: this.process.clock,
      disk: disk.seenBy(this.process),
      random,
    });
  }

  #startDownload(store: PieceStore): void {
    const { torrent, random, trackers, maxInFlightBytes, net } = this.#world;
    const machine = this.#machine;
    const { process, ledger } = this;
    this.download = new Download({
      torrent,
      store,
      trackers: trackers.map((tracker) => tracker.seenFrom(machine, process)),
      connect: (url) => new SimPeer({ net, from: machine, process, to: this.#machineAt(url), ledger }),
      hasher: nodeHasher,
      clock: process.clock,
      random,
      options: { maxInFlightBytes },
      onHeld: () => {
        this.heldAtMs.push(process.clock.now());
        this.#changed();
      },
      isSelf: (url) => url === machine.url,
    });
    this.download.whenDone.then((last) => this.#ended(last));
    this.download.start();
  }

  #ended({ state, reason }: DownloadSnapshot): void {
    if (this.process.dead || this.#stopping) return;
    this.#world.note(`${this.#machine.place} ${state} ${reason}`);
    if (state === "complete") {
      this.#changed();
      for (const announcer of this.#announcers) announcer.completed(this.#world.torrent.infoHash);
    } else {
      this.#expectStoreFailed(this.download?.failure);
      this.#machine.failed();
    }
  }

  #machineAt(url: string): SimMachine {
    return this.#world.machines.find((machine) => machine.url === url)!;
  }

  /** Disks fail in a simulation; nothing else ends a download. */
  #expectStoreFailed(error: unknown): void {
    if (!(error instanceof StoreFailed)) this.#world.fail(`${this.#machine.url}: ${String(error)}`);
  }

  #changed(): void {
    this.#revision = Math.max(Date.now(), this.#revision + 1);
    const { infoHash, fileName, pieces } = this.#world.torrent;
    const news = { infoHash, fileName, totalPieces: pieces.length, revision: this.#revision };
    for (const announcer of this.#announcers) {
      announcer.update({ ...news, bitfield: this.#machine.bitfieldOf(this.store!) });
    }
  }
}

/** What somebody has had from the beginning. */
function seedStore(world: World, has: "all" | readonly number[]): PieceStore {
  const store = new MemoryPieceStore(world.geometry);
  for (const index of world.geometry.indices()) {
    if (has !== "all" && !has.includes(index)) continue;
    store.write(index, 0, pieceOf(world, index));
    store.commit(index);
  }
  return store;
}
