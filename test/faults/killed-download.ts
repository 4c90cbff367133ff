import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Random } from "#core/base/clock.ts";
import { parseJournal } from "#core/ports/journal.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { Disk } from "../../server/peer/stores/disk.ts";
import type { SyncMode } from "../../server/peer/stores/file-piece-store.ts";
import { storePaths } from "../../server/peer/stores/store-paths.ts";
import { seededBytes, torrentOf } from "../support/swarms/fake-swarm.ts";

/** Where in a store's work a process ends. */
export interface Failpoint {
  readonly call: keyof Disk;
  readonly file: "part" | "journal" | "any";
  readonly when: "before" | "after";
  readonly nth: number;
}

export interface Job {
  readonly torrent: Torrent;
  readonly target: string;
  readonly sync: SyncMode;
  readonly failpoint?: Failpoint | undefined;
}

export type ToChild =
  | { readonly kind: "job"; readonly job: Job }
  | { readonly kind: "piece"; readonly index: number; readonly bytes: Uint8Array };
export type FromChild =
  | { readonly kind: "opened"; readonly held: readonly number[] }
  | { readonly kind: "asks"; readonly index: number }
  | { readonly kind: "done" };

/** What one run of the process did, as its seeder and its disk saw it. */
export interface Run {
  /** Undefined if it was killed before. */
  held: readonly number[] | undefined;
  readonly asked: number[];
  done: boolean;
}

/**
 * When to kill: so long after the start of the process; so long after its store is open and it was given so many pieces,
 * which it comes to on a slow machine too; or at a failpoint.
 */
export type Kill =
  | { readonly after: "start"; readonly ms: number }
  | { readonly after: "pieces"; readonly given: number; readonly ms: number }
  | { readonly failpoint: Failpoint }
  | undefined;

const child = new URL("./downloading-child.ts", import.meta.url).pathname;
const PIECE = 4 << 10;
/** Requests that a download has under way at one peer, by default. */
export const PIPELINE = 16;

/** One download that is killed again and again, and the folder that it works in. */
export class KilledDownload {
  readonly #folder = mkdtempSync(join(tmpdir(), "pieza-killed-"));
  readonly #whole: Uint8Array;
  readonly #torrent: Torrent;
  readonly #geometry: PieceGeometry;
  readonly #sync: SyncMode;
  readonly #target = join(this.#folder, "file.bin");
  readonly #pieceMs: number;
  #children = new Set<ChildProcess>();
  #closed = false;

  /** The seeder takes `pieceMs` for a piece. */
  constructor(options: { pieces: number; seed: number; sync: SyncMode; pieceMs: number }) {
    this.#whole = seededBytes(options.pieces * PIECE - 5, options.seed);
    const { torrent, geometry } = torrentOf(this.#whole, PIECE);
    this.#torrent = torrent;
    this.#geometry = geometry;
    this.#sync = options.sync;
    this.#pieceMs = options.pieceMs;
  }

  get hasName(): boolean {
    return existsSync(this.#target);
  }

  /** What has the final name is the whole file. */
  get isWhole(): boolean {
    return this.hasName && Buffer.compare(readFileSync(this.#target), this.#whole) === 0;
  }

  /** The file is whole and nothing else is left. */
  get isRight(): boolean {
    return this.isWhole && readdirSync(this.#folder).length === 1;
  }

  /** Pieces that the journal has a record of, after a kill; all of them once the file has its name. */
  recorded(): Set<number> {
    const { journal } = storePaths(this.#target, this.#torrent.infoHash);
    if (this.hasName) return new Set(this.#geometry.indices());
    if (!existsSync(journal)) return new Set();
    const state = parseJournal(readFileSync(journal), this.#torrent.infoHash, this.#geometry);
    return new Set(state?.pieces.keys());
  }

  /** Starts the process and waits until it is dead or has ended by itself. Fails once the download is closed. */
  async run(kill: Kill): Promise<Run> {
    if (this.#closed) throw new Error("the test is over");
    const run: Run = { held: undefined, asked: [], done: false };
    const process = fork(child, { serialization: "advanced", execArgv: [] });
    this.#children.add(process);
    const gone = new Promise<void>((resolve) => process.once("close", () => resolve()));
    const timers = new Set<NodeJS.Timeout>();
    const later = (ms: number, fn: () => void) => timers.add(setTimeout(fn, ms));
    const die = () => process.kill("SIGKILL");
    let given = 0;
    const dieIfGiven = () => {
      if (kill && "given" in kill && kill.given === given) later(kill.ms, die);
    };
    let busyUntilMs = 0;
    process.on("message", (message: FromChild) => {
      if (message.kind === "opened") {
        run.held = message.held;
        dieIfGiven();
      } else if (message.kind === "done") {
        run.done = true;
      } else {
        const { index } = message;
        run.asked.push(index);
        busyUntilMs = Math.max(busyUntilMs, performance.now()) + this.#pieceMs;
        const give = () => {
          send(process, { kind: "piece", index, bytes: this.#bytes(index) });
          given++;
          dieIfGiven();
        };
        later(Math.max(0, busyUntilMs - performance.now()), give);
      }
    });
    if (kill && "ms" in kill && kill.after === "start") later(kill.ms, die);
    const failpoint = kill && "failpoint" in kill ? kill.failpoint : undefined;
    send(process, {
      kind: "job",
      job: { torrent: this.#torrent, target: this.#target, sync: this.#sync, failpoint },
    });
    await gone;
    for (const timer of timers) clearTimeout(timer);
    this.#children.delete(process);
    return run;
  }

  close(): void {
    this.#closed = true;
    for (const process of this.#children) process.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #bytes(index: number): Uint8Array {
    const offset = index * PIECE;
    return this.#whole.slice(offset, offset + this.#geometry.lengthOf(this.#geometry.index(index)));
  }
}

/** A child that has just been killed takes nothing any more; that is no error. */
function send(process: ChildProcess, message: ToChild): void {
  if (process.connected) process.send(message, () => {});
}

/** Anywhere in a run: while the process starts and resumes, or while it downloads. */
export function killSometime(random: Random): Kill {
  if (random() < 0.25) return { after: "start", ms: random() * 150 };
  return { after: "pieces", given: Math.floor(random() * 60), ms: random() * 2 };
}
