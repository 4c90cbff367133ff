import { type Random, sleep } from "#core/base/clock.ts";
import { StoreFailed } from "#core/base/errors.ts";
import type { Disk } from "../../server/peer/stores/disk.ts";
import { PowerCutDisk } from "../support/disk/power-cut-disk.ts";
import type { PeerPlan } from "./plan.ts";
import type { SimProcess } from "./sim-process.ts";

/** A machine's disk: it flushes slowly, fills up, fails now and then, and loses its power. */
export class SimDisk {
  readonly files = new PowerCutDisk();
  readonly #plan: PeerPlan["disk"];
  readonly #random: Random;
  #calls = 0;
  #written = 0;
  /** From now on it has room and does not fail. */
  healthy = false;
  /** A call has failed, which may have been one that read what is there. */
  hasFailed = false;

  constructor(plan: PeerPlan["disk"], random: Random) {
    this.#plan = plan;
    this.#random = random;
  }

  /** The disk as one process sees it: once that is dead, nothing of what it does gets there. */
  seenBy(process: SimProcess): Disk {
    const { files } = this;
    return new Proxy<Disk>(files, {
      get: (_, name: keyof Disk) => {
        if (name === "sync") return (file: number) => this.#sync(process, file);
        const call = files[name] as (...values: unknown[]) => unknown;
        const isAsync = name === "read" || name === "syncFolder";
        return (...values: unknown[]) => {
          const problem = name === "close" ? undefined : this.#problem(process, name, values);
          if (name === "close") process.openFiles--;
          if (!problem) {
            const result = call.apply(files, values);
            if (name === "open") process.openFiles++;
            return result;
          }
          if (isAsync) return Promise.reject(problem);
          throw problem;
        };
      },
    });
  }

  async #sync(process: SimProcess, file: number): Promise<void> {
    const problem = this.#problem(process, "sync", []);
    if (problem) throw problem;
    const finish = this.files.startSync(file);
    const [low, high] = this.#plan.syncMs;
    const ms = low + (high - low) * this.#random();
    if (ms >= 1) {
      await process
        .during([], (ended) => sleep(process.clock, ms, ended))
        .catch(() => {
          throw gone();
        });
    }
    finish();
  }

  #problem(process: SimProcess, name: keyof Disk, values: readonly unknown[]): StoreFailed | undefined {
    if (process.dead) return gone();
    if (this.healthy) return undefined;
    if (++this.#calls === this.#plan.failKth) {
      this.hasFailed = true;
      return new StoreFailed(`${name} failed: the disk has an error`);
    }
    if (name !== "write") return undefined;
    const { length } = values[1] as Uint8Array;
    if (this.#written + length > this.#plan.roomBytes) {
      return new StoreFailed("writing failed: no space is left on the disk", { noSpace: true });
    }
    this.#written += length;
    return undefined;
  }
}

function gone(): StoreFailed {
  return new StoreFailed("the process is dead");
}
