import { Bitfield } from "#core/base/bitfield.ts";
import { StoreFailed } from "#core/base/errors.ts";
import type { PieceStore } from "#core/ports/store.ts";
import type { Lease } from "#core/ports/tracker.ts";
import { type PieceIndex, pieceNumber } from "#core/torrent/piece.ts";
import { PeerRun } from "./peer-run.ts";
import type { End, PeerPlan } from "./plan.ts";
import { SimDisk } from "./sim-disk.ts";
import type { Answer, ServingHost } from "./sim-peer.ts";
import { pieceOf, sameBytes, type World } from "./world.ts";

/** When somebody looks after a peer whose disk failed. */
const REPAIR_MS = 3_000;

/** A machine with a disk and an address, on which a peer runs, dies and is started again. */
export class SimMachine implements ServingHost {
  readonly place: number;
  readonly plan: PeerPlan;
  readonly disk: SimDisk;
  readonly address: string;
  readonly port: number;
  readonly url: string;
  readonly latencyMs: readonly [number, number];
  /** The file's name. */
  readonly target: string;
  /** What each tracker's lease is kept in. */
  readonly leases;
  /** Pieces that it has ever verified: what is announced of it may be late, but not made up. */
  readonly ever: Bitfield;
  /** Pieces that its disk has for certain. */
  promised: Bitfield;
  /** Something happened since this was last set to false. */
  touched = true;
  powerCuts = 0;
  #run: PeerRun | undefined;
  readonly #world: World;
  #absences = 0;
  #freeAtMs = 0;
  #cancelRepair = () => {};

  constructor(world: World, place: number, plan: PeerPlan) {
    this.#world = world;
    this.place = place;
    this.plan = plan;
    this.disk = new SimDisk(plan.disk, world.random);
    this.address = `10.0.0.${place + 1}`;
    this.port = 7_000 + place;
    this.url = `http://${this.address}:${this.port}`;
    this.latencyMs = plan.latencyMs;
    this.target = `file-${place}.bin`;
    this.leases = world.trackers.map(() => keptLease());
    this.ever = new Bitfield(world.geometry.count);
    this.promised = new Bitfield(world.geometry.count);
  }

  get running(): PeerRun | undefined {
    return this.#run?.store && this.#run;
  }

  /** The file is complete and has its name. */
  get complete(): boolean {
    return this.plan.has !== "none" || this.running?.download?.peek().state === "complete";
  }

  get identifyKey(): Uint8Array {
    return this.#run!.identifyKey;
  }

  touch(): void {
    this.touched = true;
  }

  async start(): Promise<void> {
    if (this.#run || this.#absences > 0) return;
    const run = new PeerRun(this.#world, this);
    this.#run = run;
    this.touch();
    try {
      await run.open();
    } catch (error) {
      if (!(error instanceof StoreFailed)) this.#world.fail(`${this.url} does not start: ${String(error)}`);
      if (run.process.openFiles > 0) this.#world.fail(`${this.url}: files are open after a failed start`);
      run.kill();
      if (this.#run !== run) return;
      this.#run = undefined;
      this.#repair(() => void this.start());
    }
  }

  /** Ends what runs; `back` has to be called as often. */
  async leave(end: End): Promise<void> {
    this.#absences++;
    await this.#end(end);
  }

  async back(): Promise<void> {
    this.#absences--;
    await this.start();
  }

  /** The download has ended because of its disk: somebody will start it again. */
  failed(): void {
    const run = this.#run;
    this.#repair(() => {
      if (this.#run === run) void this.#end("stop");
    });
  }

  /** In good order. */
  stop(): Promise<void> {
    return this.leave("stop");
  }

  bitfield(): Bitfield {
    return this.bitfieldOf(this.running!.store!);
  }

  /** What it says that it has. */
  bitfieldOf(store: PieceStore): Bitfield {
    return this.plan.lies?.claimsAll ? Bitfield.full(store.geometry.count) : store.held.clone();
  }

  async give(index: PieceIndex, caller: string): Promise<Answer> {
    const { uploads } = this.running!;
    const offer = uploads.find(this.#world.torrent.infoHash, pieceNumber(index), caller);
    const { bytes, done } = await uploads.read(offer, caller);
    if (!sameBytes(bytes, pieceOf(this.#world, index))) this.#world.fail(`${this.url} gives a wrong piece`);
    const breaksOff = !this.#world.healed && this.#world.random() < this.plan.pBreakOff;
    return { bytes: this.#mangled(index, bytes), breaksOff, done };
  }

  sendMs(bytes: number): number {
    const now = this.#world.clock.now();
    this.#freeAtMs = Math.max(this.#freeAtMs, now) + (bytes * 1_000) / this.plan.rate;
    return this.#freeAtMs - now;
  }

  #repair(fn: () => void): void {
    this.#cancelRepair();
    this.#cancelRepair = this.#world.clock.after(REPAIR_MS, fn);
  }

  async #end(end: End): Promise<void> {
    this.#cancelRepair();
    const run = this.#run;
    if (!run) return;
    this.#world.note(`${this.place} ends: ${end}`);
    this.touch();
    if (end === "stop") {
      await run.stop();
      if (this.#run !== run) return;
      this.#run = undefined;
      // Somebody wanted it back while it said goodbye.
      await this.start();
      return;
    }
    run.kill();
    this.#run = undefined;
    if (end === "kill") return;
    this.powerCuts++;
    this.disk.files.cutPower(this.#world.random);
  }

  #mangled(index: number, bytes: Uint8Array): Uint8Array {
    const { lies } = this.plan;
    const does = (probability: number | undefined) => this.#world.random() < (probability ?? 0);
    if (!lies || bytes.length === 0) return bytes;
    if (does(lies.flipsBit)) return bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte));
    if (does(lies.cutsShort)) return bytes.subarray(0, bytes.length - 1);
    if (does(lies.sendsMore)) return Uint8Array.from([...bytes, 0]);
    if (does(lies.sendsAnother)) return pieceOf(this.#world, (index + 1) % this.#world.geometry.count);
    return bytes;
  }
}

function keptLease() {
  let kept: Lease | undefined;
  return {
    load: async () => kept,
    save: async (lease: Lease) => {
      kept = lease;
    },
  };
}
