import { createHash } from "node:crypto";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import { seededBytes, seededRandom, torrentOf } from "../support/swarms/fake-swarm.ts";
import { Invariants } from "./invariants.ts";
import type { FaultPlan } from "./plan.ts";
import { SimClock, settle } from "./sim-clock.ts";
import { SimMachine } from "./sim-machine.ts";
import { SimNet } from "./sim-net.ts";
import { SimTracker } from "./sim-tracker.ts";
import { sameBytes, type World } from "./world.ts";

/** After the faults every download has so long. */
const LIVENESS_MS = 300_000;
/** For the last goodbyes: a silent tracker is waited for 2 s, a call under way at most 10 s. */
const STOP_MS = 15_000;
const TRACE_LINES = 40;

export interface SimResult {
  /** Equal for two simulations in which the same happened. */
  readonly trace: string;
  readonly checks: number;
  /** Virtual time from the last fault to the last file. */
  readonly healedInMs: number;
  /** The last word of each download, of its last run, by the peer's place. */
  readonly downloads: ReadonlyMap<number, DownloadSnapshot>;
  /** When each piece came in that run. */
  readonly heldAtMs: ReadonlyMap<number, readonly number[]>;
  /** Most timers that waited at one instant. */
  readonly mostTimers: number;
}

/**
 * Runs a plan: real downloads, stores, announcers and trackers on one clock, with one source of chance. Nothing may be
 * wrong at any instant while faults last; once they have ended, every download has to end with the right file, and a
 * stop has to leave nothing. Throws with the command that runs the same again.
 */
export async function simulate(plan: FaultPlan, lockFolder: string): Promise<SimResult> {
  const simulation = new Simulation(plan, lockFolder);
  const { now } = Date;
  Date.now = () => simulation.wallMs();
  try {
    return await simulation.run();
  } finally {
    Date.now = now;
  }
}

class Simulation {
  readonly #plan: FaultPlan;
  readonly #world: World;
  readonly #invariants: Invariants;
  readonly #trace = createHash("sha256");
  readonly #lines: string[] = [];
  #wallOffsetMs = 1_700_000_000_000;
  #failure: string | undefined;
  #mostTimers = 0;

  constructor(plan: FaultPlan, lockFolder: string) {
    this.#plan = plan;
    const clock = new SimClock();
    const random = seededRandom(plan.seed + 0x9e3779b9);
    const whole = seededBytes(plan.lengthBytes, plan.seed);
    const net = new SimNet(clock, random);
    const { torrent, geometry } = torrentOf(whole, plan.pieceLength);
    const { maxInFlightBytes } = plan;
    this.#world = {
      ...{ clock, net, random, torrent, geometry, whole, maxInFlightBytes, lockFolder },
      machines: [],
      trackers: [],
      healed: false,
      fail: (what) => {
        this.#failure ??= what;
      },
      note: (what) => this.#note(what),
    };
    this.#invariants = new Invariants(this.#world);
    this.#populate();
  }

  /** What Date.now says here. */
  wallMs(): number {
    return this.#wallOffsetMs + this.#world.clock.now();
  }

  async run(): Promise<SimResult> {
    const { healMs } = this.#plan;
    this.#schedule();
    for (const machine of this.#world.machines) void machine.start();
    await settle();
    this.#at(healMs, () => this.#heal());
    await this.#until(healMs, () => false);
    await this.#until(healMs + LIVENESS_MS, () => this.#world.machines.every(({ complete }) => complete));
    const healedInMs = this.#world.clock.now() - healMs;
    this.#checkEnd();
    const runs = this.#world.machines.flatMap(({ place, running }) =>
      running?.download ? [{ place, last: running.download.peek(), heldAtMs: running.heldAtMs }] : [],
    );
    await this.#stop();
    return {
      trace: this.#trace.digest("hex"),
      checks: this.#invariants.checks,
      healedInMs,
      downloads: new Map(runs.map(({ place, last }) => [place, last])),
      heldAtMs: new Map(runs.map(({ place, heldAtMs }) => [place, heldAtMs])),
      mostTimers: this.#mostTimers,
    };
  }

  #populate(): void {
    const { machines, trackers, net, random } = this.#world;
    const { peers } = this.#plan;
    for (const n of this.#plan.trackers.keys()) {
      const hostAt = (url: string) => machines.find((machine) => machine.url === url);
      trackers.push(
        new SimTracker({ place: peers.length + n, net, random, hostAt, witness: this.#invariants }),
      );
    }
    for (const [place, plan] of peers.entries()) machines.push(new SimMachine(this.#world, place, plan));
  }

  #schedule(): void {
    const { machines, trackers, net } = this.#world;
    const plan = this.#plan;
    for (const [n, { absences, pauses }] of plan.peers.entries()) {
      const machine = machines[n]!;
      for (const { fromMs, toMs, end } of absences) {
        this.#at(fromMs, () => void machine.leave(end));
        this.#at(toMs, () => void machine.back());
      }
      for (const { fromMs, toMs } of pauses) {
        this.#at(fromMs, () => machine.running?.download?.pause());
        this.#at(toMs, () => machine.running?.download?.resume());
      }
    }
    for (const [n, { absences }] of plan.trackers.entries()) {
      for (const { fromMs, toMs, wiped } of absences) {
        this.#at(fromMs, () => trackers[n]!.goAway());
        this.#at(toMs, () => void trackers[n]!.comeBack(wiped));
      }
    }
    for (const { fromMs, toMs, links } of plan.partitions) {
      this.#at(fromMs, () => links.forEach(([from, to]) => void net.cut(from, to)));
      this.#at(toMs, () => links.forEach(([from, to]) => void net.mend(from, to)));
    }
    for (const { atMs, byMs } of plan.clockJumps) {
      this.#at(atMs, () => {
        this.#wallOffsetMs += byMs;
      });
    }
  }

  #at(ms: number, fn: () => void): void {
    this.#world.clock.after(ms, fn);
  }

  #heal(): void {
    this.#note("healed");
    this.#world.healed = true;
    for (const { disk } of this.#world.machines) disk.healthy = true;
  }

  async #until(ms: number, done: () => boolean): Promise<void> {
    const { clock } = this.#world;
    while (!done() && (await clock.step(ms))) {
      this.#mostTimers = Math.max(this.#mostTimers, clock.pending);
      this.#invariants.check();
      if (this.#failure) throw this.#error(this.#failure);
    }
  }

  #checkEnd(): void {
    const { machines, whole, lockFolder } = this.#world;
    for (const machine of machines) {
      if (!machine.complete) throw this.#error(`${machine.url} is not complete: ${stateOf(machine)}`);
      if (machine.plan.has !== "none") continue;
      const found = machine.disk.files.content(`${lockFolder}/${machine.target}`);
      if (!sameBytes(found, whole)) throw this.#error(`${machine.url} ends with a wrong file`);
    }
  }

  async #stop(): Promise<void> {
    const { machines, trackers, clock } = this.#world;
    let stopped = false;
    const stopping = Promise.all(machines.map((machine) => machine.stop()))
      .then(() => Promise.all(trackers.map((tracker) => tracker.close())))
      .finally(() => {
        stopped = true;
      });
    await settle();
    await this.#until(clock.now() + STOP_MS, () => stopped);
    if (this.#failure) throw this.#error(this.#failure);
    if (!stopped) throw this.#error("a stop does not end");
    await stopping;
    if (clock.pending > 0) throw this.#error(`${clock.pending} timers are left`);
  }

  #note(what: string): void {
    const line = `${this.#world.clock.now()} ${what}`;
    this.#trace.update(line);
    this.#lines.push(line);
    if (this.#lines.length > TRACE_LINES) this.#lines.shift();
  }

  #error(what: string): Error {
    const { seed } = this.#plan;
    const command = `PIEZA_SIM_SEED=${seed} npx vitest run --project node test/simulation`;
    const atMs = this.#world.clock.now();
    return new Error(`seed ${seed} after ${atMs} ms: ${what}\n${command}\n${this.#lines.join("\n")}`);
  }
}

function stateOf(machine: SimMachine): string {
  const last = machine.running?.download?.peek();
  if (!last) return "it does not run";
  const peers = last.peers.map(({ url, state, reason }) => `${url} ${state} ${reason}`).join("; ");
  return `${last.state} ${last.reason} (${last.heldPieces} of ${last.totalPieces}; ${peers})`;
}
