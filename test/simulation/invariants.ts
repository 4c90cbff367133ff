import { Bitfield } from "#core/base/bitfield.ts";
import { PieceMap } from "#core/download/snapshot.ts";
import { parseJournal } from "#core/ports/journal.ts";
import type { SwarmTable } from "#core/ports/tracker.ts";
import { type StorePaths, storePaths } from "../../server/peer/stores/store-paths.ts";
import { defaultTrackerLimits } from "../../server/tracker/store/limits.ts";
import type { PeerRun } from "./peer-run.ts";
import type { SimMachine } from "./sim-machine.ts";
import type { SimTracker, TrackerWitness } from "./sim-tracker.ts";
import { pieceOf, sameBytes, type World } from "./world.ts";

/** A lease, a dial that may prolong it once, and a sweep. */
const LONGEST_LEASE_MS = defaultTrackerLimits.leaseMs + 2_000 + 1_000;
/** Requests for one piece: beside useless peers it is tried at many, until one of them has given something. */
const MAX_REQUESTERS = 16;

/** What must hold at every instant, whatever fails. Looks from outside at what the parts themselves say. */
export class Invariants implements TrackerWitness {
  /** Instants at which something was looked at. */
  checks = 0;
  readonly #world: World;
  readonly #seen = new WeakMap<PeerRun, { held: Bitfield; journalBytes: number }>();
  readonly #renewedAtMs = new Map<SimTracker, Map<string, number>>();
  readonly #turns = new Map<SimTracker, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** After every instant. */
  check(): void {
    for (const machine of this.#world.machines) {
      if (!machine.touched) continue;
      machine.touched = false;
      this.checks++;
      const run = machine.running;
      if (machine.plan.has !== "none") continue;
      const paths = storePaths(`${this.#world.lockFolder}/${machine.target}`, this.#world.torrent.infoHash);
      this.#checkName(machine, paths);
      if (!run) continue;
      this.#checkHeld(machine, run, paths);
      this.#checkDownload(machine, run);
    }
  }

  renewed(tracker: SimTracker, url: string): void {
    const leases = this.#renewedAtMs.get(tracker) ?? new Map<string, number>();
    this.#renewedAtMs.set(tracker, leases.set(url, this.#world.clock.now()));
  }

  forgot(tracker: SimTracker): void {
    this.#renewedAtMs.delete(tracker);
    this.#turns.delete(tracker);
  }

  answered(tracker: SimTracker, { peers, turn }: SwarmTable): void {
    const { machines, clock } = this.#world;
    const before = this.#turns.get(tracker);
    if (before !== undefined && turn !== before + 1) this.#fail(`turn ${turn} after ${before}`);
    this.#turns.set(tracker, turn);
    if (new Set(peers.map(({ url }) => url)).size < peers.length) this.#fail("one address is named twice");
    for (const { url, bitfield } of peers) {
      const atMs = this.#renewedAtMs.get(tracker)?.get(url) ?? -Infinity;
      if (clock.now() - atMs > LONGEST_LEASE_MS) this.#fail(`${url} is named, its lease has ended`);
      const machine = machines.find((other) => other.url === url)!;
      if (machine.plan.has !== "none" || machine.plan.lies?.claimsAll) continue;
      for (const index of bitfield) {
        if (!machine.ever.has(index)) this.#fail(`${url} is named for piece ${index}, which it never had`);
      }
    }
  }

  /** The name is on a whole file or on none, and flushed bytes stay whole without power. */
  #checkName(machine: SimMachine, { target }: StorePaths): void {
    const { whole } = this.#world;
    const found = machine.disk.files.content(target);
    if (!found) return;
    const spoilt = machine.plan.sync === "none" && machine.powerCuts > 0;
    if (!spoilt && !sameBytes(found, whole))
      this.#fail(`${machine.url}: a file has its name and is not whole`);
    if (machine.plan.sync === "none") return;
    const safe = machine.disk.files.safeContent(target);
    if (!sameBytes(safe, whole)) this.#fail(`${machine.url}: a file has its name and is not on the disk`);
  }

  /** What is held is right; what the journal calls durable is right on the disk. */
  #checkHeld(machine: SimMachine, run: PeerRun, paths: StorePaths): void {
    const { geometry, torrent } = this.#world;
    const { files } = machine.disk;
    const held = run.store!.held;
    const seen = this.#seen.get(run) ?? this.#firstSight(machine, run);
    const path = files.content(paths.part) ? paths.part : paths.target;
    if (held.count !== seen.held.count) {
      for (const index of held) {
        if (!seen.held.set(index)) continue;
        machine.ever.set(index);
        if (!this.#hasPiece(files.content(path), index))
          this.#fail(`${machine.url}: piece ${index} is held and wrong`);
      }
    }
    const safe = files.safeContent(paths.journal);
    for (const [index, kind] of (safe && parseJournal(safe, torrent.infoHash, geometry))?.pieces ?? []) {
      if (kind === "durable") machine.promised.set(index);
    }
    const journal = files.content(paths.journal);
    if (!journal || journal.length === seen.journalBytes) return;
    seen.journalBytes = journal.length;
    for (const [index, kind] of parseJournal(journal, torrent.infoHash, geometry)?.pieces ?? []) {
      if (!held.has(index)) this.#fail(`${machine.url}: piece ${index} is recorded and not held`);
      if (kind === "durable" && !this.#hasPiece(files.safeContent(path), index))
        this.#fail(`${machine.url}: piece ${index} is recorded as durable and not on the disk`);
    }
  }

  /** A run begins with all that the last one made durable, unless the disk could not be read. */
  #firstSight(machine: SimMachine, run: PeerRun): { held: Bitfield; journalBytes: number } {
    const { geometry } = this.#world;
    if (machine.disk.hasFailed) machine.promised = new Bitfield(geometry.count);
    for (const index of machine.promised) {
      if (!run.store!.held.has(index)) this.#fail(`${machine.url}: piece ${index} was durable and is lost`);
    }
    const seen = { held: new Bitfield(geometry.count), journalBytes: 0 };
    this.#seen.set(run, seen);
    return seen;
  }

  #hasPiece(content: Uint8Array | undefined, index: number): boolean {
    const { geometry } = this.#world;
    const offset = geometry.offset(geometry.index(index));
    const length = geometry.lengthOf(geometry.index(index));
    return sameBytes(content?.subarray(offset, offset + length), pieceOf(this.#world, index));
  }

  /** What the download says of itself fits what it does. */
  #checkDownload(machine: SimMachine, { download, ledger, store }: PeerRun): void {
    if (!download || !store) return;
    const { geometry, maxInFlightBytes } = this.#world;
    const { pieceMap, peers } = download.peek();
    let bytes = 0;
    for (const [index, requests] of ledger.open) {
      bytes += requests * geometry.lengthOf(geometry.index(index));
      if (requests > MAX_REQUESTERS) this.#fail(`${machine.url}: ${requests} requests for piece ${index}`);
      const entry = pieceMap[index]!;
      if (PieceMap.isHeld(entry) || PieceMap.slotOf(entry) < 0)
        this.#fail(`${machine.url}: piece ${index} is asked for and not called in flight`);
    }
    if (bytes > Math.max(maxInFlightBytes, geometry.pieceLength))
      this.#fail(`${machine.url}: ${bytes} bytes are asked for at once`);
    for (const [index, entry] of pieceMap.entries()) {
      if (PieceMap.isHeld(entry) && !store.held.has(index))
        this.#fail(`${machine.url}: piece ${index} is called held and is not`);
    }
    for (const { url, state } of peers) {
      if (state !== "banned" || ledger.banned.has(url)) continue;
      ledger.banned.add(url);
      if (!this.#world.machines.find((other) => other.url === url)?.plan.lies)
        this.#fail(`${machine.url} bans ${url}, which is honest`);
    }
  }

  #fail(what: string): void {
    this.#world.fail(what);
  }
}
