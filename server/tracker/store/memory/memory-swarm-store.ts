import type { Bitfield } from "#core/base/bitfield.ts";
import type { Clock } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { PieceRange, SwarmKey } from "#core/ports/tracker.ts";
import { randomId } from "../lease-secret.ts";
import { defaultTrackerLimits, type TrackerLimits } from "../limits.ts";
import { refuse, refuseEnded } from "../refuse.ts";
import { bytesOfFiles, LegacyFiles } from "../rules/legacy-files.ts";
import {
  bytesOf,
  bytesOfSwarm,
  MemorySwarm,
  type Seat,
  shownOf,
  showsChange,
  withoutPieces,
} from "../rules/swarm-rules.ts";
import type {
  DeclaredFile,
  LeaseChange,
  LegacyFile,
  LegacyPeer,
  Membership,
  PeerLease,
  SwarmChanges,
  SwarmMember,
  SwarmSnapshot,
  SwarmStore,
} from "../swarm-store.ts";
import { tally } from "../tally.ts";
import { ChangeLog } from "./change-log.ts";
import { ExpiryWheel } from "./expiry-wheel.ts";
import { Holder } from "./holder.ts";
import { MemoryOrders } from "./memory-orders.ts";

/**
 * Keeps the state in this process. Each method finishes its work before another one runs.
 *
 * Invariant: a lease is in `#holders`, in `#holderByAddress` (if it has an address) and in the count of its source,
 * or in none of them. A seat is in its holder exactly if it is in its swarm.
 */
export class MemorySwarmStore implements SwarmStore {
  readonly trackerId = randomId();
  readonly orders: MemoryOrders;
  readonly #clock: Clock;
  readonly #limits: TrackerLimits;
  readonly #wheel: ExpiryWheel<Holder>;
  readonly #holders = new Map<string, Holder>();
  readonly #holderByAddress = new Map<string, Holder>();
  readonly #leasesBySource = new Map<string, number>();
  /** By info hash, then by number of pieces. */
  readonly #swarms = new Map<string, Map<number, MemorySwarm>>();
  /** By file name: how many members of each swarm announce it. */
  readonly #swarmsByName = new Map<string, Map<MemorySwarm, number>>();
  readonly #legacyFiles = new LegacyFiles();
  readonly #volunteers = new Set<Holder>();
  readonly #changes = new ChangeLog<MemorySwarm>();
  #swarmCount = 0;
  #stateBytes = 0;

  constructor(clock: Clock, limits: Partial<TrackerLimits> = {}) {
    this.#clock = clock;
    this.orders = new MemoryOrders(clock, (id) => this.#live(id) !== undefined);
    this.#limits = { ...defaultTrackerLimits, ...limits };
    this.#wheel = new ExpiryWheel(
      clock,
      (holder) => holder.expiresAtMs,
      (holder) => this.#end(holder),
    );
  }

  async open(lease: PeerLease): Promise<void> {
    if (lease.address !== "" && this.#liveHolderOf(lease.address)) {
      throw new PiezaError("already_exists", `another peer holds ${lease.address}`);
    }
    const fromSource = this.#leasesBySource.get(lease.source) ?? 0;
    if (fromSource >= this.#limits.maxLeasesPerAddress) refuse("peers from one address");
    if (this.#holders.size >= this.#limits.maxLeases) refuse("peers");
    const holder = new Holder(lease, this.#expiryOf(lease));
    this.#holders.set(lease.id, holder);
    if (lease.address !== "") this.#holderByAddress.set(lease.address, holder);
    tally(this.#leasesBySource, lease.source, 1);
    if (lease.volunteer) this.#volunteers.add(holder);
    this.#wheel.add(holder);
  }

  async find(id: string): Promise<PeerLease | undefined> {
    return this.#live(id)?.lease;
  }

  async holderOf(address: string): Promise<PeerLease | undefined> {
    return this.#liveHolderOf(address)?.lease;
  }

  async renew(id: string, change?: LeaseChange): Promise<PeerLease | undefined> {
    const holder = this.#live(id);
    if (!holder) return undefined;
    holder.expiresAtMs = this.#expiryOf(holder.lease);
    if (change) {
      const before = holder.lease;
      holder.lease = { ...before, ...change };
      if (holder.lease.volunteer) this.#volunteers.add(holder);
      else this.#volunteers.delete(holder);
      if (before.legacy) this.#legacyFiles.list(id, holder.lease.listed);
      if (showsChange(before, holder.lease)) {
        for (const seat of holder.seats()) {
          seat.swarm.put(seat, { ...seat.member, ...shownOf(holder.lease) });
          this.#changes.note(seat.swarm);
        }
      }
    }
    return holder.lease;
  }

  async end(id: string): Promise<void> {
    const holder = this.#holders.get(id);
    if (holder) this.#end(holder);
  }

  async join(id: string, membership: Membership, replace: boolean): Promise<boolean> {
    const holder = this.#live(id) ?? refuseEnded();
    const seat = holder.seatOf(membership.infoHash);
    const known = seat?.totalPieces === membership.totalPieces ? seat.revision : undefined;
    const { bitfield, revision } = membership;
    if (!bitfield) return known === revision;
    if (known === undefined || replace || revision > known) this.#put(holder, membership, bitfield);
    return true;
  }

  async leave(id: string, infoHash: string): Promise<void> {
    const holder = this.#holders.get(id);
    const seat = holder?.seatOf(infoHash);
    if (holder && seat) this.#remove(holder, seat);
  }

  async withdraw(id: string, key: SwarmKey, ranges: readonly PieceRange[], least: number): Promise<boolean> {
    const holder = this.#live(id);
    const swarm = this.#swarms.get(key.infoHash)?.get(key.totalPieces);
    const bitfield = holder && swarm && withoutPieces(swarm.snapshot().members, id, ranges, least);
    const seat = holder?.seatOf(key.infoHash);
    if (!bitfield || seat?.swarm !== swarm) return bitfield !== undefined;
    this.#change(seat!, { ...seat!.member, bitfield });
    return true;
  }

  async joined(id: string): Promise<readonly string[]> {
    const seats = this.#live(id)?.seats() ?? [];
    return seats.map(({ infoHash }) => infoHash);
  }

  async swarm(key: SwarmKey): Promise<SwarmSnapshot | undefined> {
    return this.#swarms.get(key.infoHash)?.get(key.totalPieces)?.snapshot();
  }

  async swarmsOf(infoHash: string): Promise<readonly SwarmKey[]> {
    return [...(this.#swarms.get(infoHash)?.values() ?? [])].map((swarm) => swarm.key);
  }

  async swarmsNamed(fileName: string): Promise<readonly SwarmKey[]> {
    return [...(this.#swarmsByName.get(fileName)?.keys() ?? [])].map((swarm) => swarm.key);
  }

  async swarms(limit: number): Promise<readonly SwarmKey[]> {
    const keys: SwarmKey[] = [];
    for (const key of this.#keys()) {
      if (keys.length >= limit) break;
      keys.push(key);
    }
    return keys;
  }

  async changes(cursor: string): Promise<SwarmChanges> {
    return this.#changes.since(cursor, () => [...this.#keys()]);
  }

  async volunteers(): Promise<readonly PeerLease[]> {
    return [...this.#volunteers].flatMap(({ lease }) => this.#live(lease.id)?.lease ?? []);
  }

  async declare(id: string, files: readonly DeclaredFile[]): Promise<void> {
    const holder = this.#live(id) ?? refuseEnded();
    const grows = bytesOfFiles(files) - bytesOfFiles(this.#legacyFiles.filesOf(id));
    this.#checkBytes(grows, "pieces of legacy peers");
    if (files.length > this.#limits.maxTorrentsPerLease) refuse("files of one peer");
    this.#stateBytes += grows;
    const { url, listed } = holder.lease;
    this.#legacyFiles.put({ leaseId: id, url, listed, files });
  }

  async legacyFile(fileName: string): Promise<LegacyFile | undefined> {
    return this.#legacyFiles.file(fileName);
  }

  async legacyPeers(): Promise<readonly LegacyPeer[]> {
    return this.#legacyFiles.peers();
  }

  async counts(): Promise<{ leases: number; swarms: number }> {
    return { leases: this.#holders.size, swarms: this.#swarmCount };
  }

  async close(): Promise<void> {
    this.#wheel.close();
  }

  *#keys(): Generator<SwarmKey> {
    for (const byTotal of this.#swarms.values()) for (const { key } of byTotal.values()) yield key;
  }

  #checkBytes(grows: number, what: string): void {
    if (grows > 0 && this.#stateBytes + grows > this.#limits.maxStateBytes) refuse(what);
  }

  #expiryOf({ legacy }: PeerLease): number {
    return Math.ceil(this.#clock.now() + (legacy ? this.#limits.legacyLeaseMs : this.#limits.leaseMs));
  }

  #live(id: string): Holder | undefined {
    const holder = this.#holders.get(id);
    if (!holder || holder.expiresAtMs > this.#clock.now()) return holder;
    this.#end(holder);
    return undefined;
  }

  #liveHolderOf(address: string): Holder | undefined {
    const holder = this.#holderByAddress.get(address);
    return holder && this.#live(holder.lease.id);
  }

  #end(holder: Holder): void {
    const { id, address, source } = holder.lease;
    if (!this.#holders.delete(id)) return;
    holder.expiresAtMs = -1;
    this.#volunteers.delete(holder);
    this.orders.endVolunteer(id);
    if (address !== "") this.#holderByAddress.delete(address);
    tally(this.#leasesBySource, source, -1);
    for (const seat of holder.seats()) this.#remove(holder, seat);
    this.#stateBytes -= bytesOfFiles(this.#legacyFiles.filesOf(id));
    this.#legacyFiles.remove(id);
  }

  #put(holder: Holder, membership: Membership, bitfield: Bitfield): void {
    const { infoHash, totalPieces, fileName, revision, replicationTarget = 0, pieceLength = 0 } = membership;
    const { id, url } = holder.lease;
    const before = holder.seatOf(infoHash);
    const found = this.#swarms.get(infoHash)?.get(totalPieces);
    const bytes = bytesOf(bitfield) + (found ? 0 : bytesOfSwarm(membership));
    const grows = bytes - (before ? bytesOf(before.member.bitfield) : 0);
    this.#checkBytes(grows, "bitfields");
    if (!before && holder.seatCount >= this.#limits.maxTorrentsPerLease) refuse("torrents of one peer");
    if (!found && this.#swarmCount >= this.#limits.maxSwarms) refuse("torrents");

    const said = { fileName, revision, bitfield, replicationTarget, pieceLength };
    const member: SwarmMember = { leaseId: id, url, ...shownOf(holder.lease), ...said };
    if (before && before.swarm === found) this.#change(before, member);
    else {
      if (before) this.#remove(holder, before);
      const seat = (found ?? this.#addSwarm(membership)).add(member);
      holder.add(seat);
      this.#account(seat, 1);
      this.#changes.note(seat.swarm);
    }
  }

  #change(seat: Seat, member: SwarmMember): void {
    this.#account(seat, -1);
    seat.swarm.put(seat, member);
    this.#account(seat, 1);
    this.#changes.note(seat.swarm);
  }

  #remove(holder: Holder, seat: Seat): void {
    const { swarm } = seat;
    this.#account(seat, -1);
    swarm.remove(seat);
    this.#changes.note(swarm);
    holder.remove(seat);
    if (swarm.size === 0) this.#evict(swarm);
  }

  #addSwarm(key: SwarmKey): MemorySwarm {
    const swarm = new MemorySwarm(key);
    const byTotal = this.#swarms.get(key.infoHash) ?? new Map<number, MemorySwarm>();
    this.#swarms.set(key.infoHash, byTotal.set(key.totalPieces, swarm));
    this.#swarmCount++;
    this.#stateBytes += bytesOfSwarm(key);
    return swarm;
  }

  #evict(swarm: MemorySwarm): void {
    const byTotal = this.#swarms.get(swarm.key.infoHash)!;
    byTotal.delete(swarm.key.totalPieces);
    if (byTotal.size === 0) this.#swarms.delete(swarm.key.infoHash);
    this.#swarmCount--;
    this.#stateBytes -= bytesOfSwarm(swarm.key);
  }

  /** Adds (1) or subtracts (-1) a member's bytes and its file name. */
  #account({ swarm, member }: Seat, sign: 1 | -1): void {
    this.#stateBytes += sign * bytesOf(member.bitfield);
    const named = this.#swarmsByName.get(member.fileName) ?? new Map<MemorySwarm, number>();
    tally(named, swarm, sign);
    if (named.size > 0) this.#swarmsByName.set(member.fileName, named);
    else this.#swarmsByName.delete(member.fileName);
  }
}
