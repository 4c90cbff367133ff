import type { Bitfield } from "#core/base/bitfield.ts";
import type { PieceRange, SwarmKey, Volunteer } from "#core/ports/tracker.ts";
import type { OrderStore } from "./order-store.ts";

/** A peer's place in the tracker, for as long as it keeps announceCall. */
export interface PeerLease {
  readonly id: string;
  /** SHA-256 of the lease's secret, 64 hex digits. The secret itself is kept by the peer alone. */
  readonly secretHash: string;
  /** Host and port in one form per address: what only one live lease may hold. Empty: it told no address. */
  readonly address: string;
  /** The URL under which others reach the peer; empty if it told no address. */
  readonly url: string;
  /** Where the announce came from, as the cap on leases counts it. */
  readonly source: string;
  /** Empty, or the 32 bytes under which the peer proves that the address is its own. */
  readonly identifyKey: Uint8Array;
  /** Whether others are told of it. */
  readonly listed: boolean;
  /** Why not, in words; empty when listed. */
  readonly notListedReason: string;
  /**
   * When to look again whether it is there, in whole seconds of OrderStore.now, and how often in a row it was not; left
   * out: 0. Here and not in a map of their own, because with a million peers each step to another object waits for memory.
   */
  readonly checkAtSeconds?: number | undefined;
  readonly checkFailures?: number | undefined;
  /** Still serving what is in flight: counted, named to nobody. */
  readonly draining: boolean;
  /** A seed peer's: it lives longer, nobody knows its secret, and it declares files instead of joining swarms. */
  readonly legacy?: boolean | undefined;
  /** Shared by peers near each other; left out: not known. At most 64 bytes. */
  readonly zone?: string | undefined;
  /** Left out: it lends no space. */
  readonly volunteer?: VolunteerSpace | undefined;
}

/** The space that a peer lends, as it said last. */
export interface VolunteerSpace extends Volunteer {
  /** On the clock of OrderStore.now. Orders that it was told of later are not in `freeBytes`. */
  readonly saidAtMs: number;
}

/** What may change in a lease during its life. */
export type LeaseChange = Partial<
  Pick<
    PeerLease,
    | "identifyKey"
    | "listed"
    | "notListedReason"
    | "checkAtSeconds"
    | "checkFailures"
    | "draining"
    | "zone"
    | "volunteer"
  >
>;

/** What one lease says of one torrent. */
export interface Membership extends SwarmKey {
  /** At most 255 bytes. */
  readonly fileName: string;
  readonly revision: number;
  /** Left out: as it was at `revision`. */
  readonly bitfield?: Bitfield | undefined;
  /** Copies of every piece that the torrent asks for, at most 1,000; left out: it does not say. */
  readonly replicationTarget?: number | undefined;
  /** At most 16 MiB; left out: not known. */
  readonly pieceLength?: number | undefined;
}

/** One peer of one swarm, as it is now. */
export interface SwarmMember {
  readonly leaseId: string;
  readonly url: string;
  readonly listed: boolean;
  readonly draining: boolean;
  readonly fileName: string;
  readonly revision: number;
  readonly bitfield: Bitfield;
  /** Empty: not known. */
  readonly zone: string;
  /** It lends space for copies. */
  readonly volunteer: boolean;
  /** As in Membership; 0: it does not say. */
  readonly replicationTarget: number;
  readonly pieceLength: number;
}

/** A swarm at one moment. The same object until something in it changes, so that what is made of it can be kept. */
export interface SwarmSnapshot extends SwarmKey {
  /** At least one, in the order in which they joined. */
  readonly members: readonly SwarmMember[];
}

/** Swarms that changed. */
export interface SwarmChanges {
  /** To be told next time what changed after this. */
  readonly cursor: string;
  /** Each once. Those that are gone need not be here. */
  readonly keys: readonly SwarmKey[];
  /** The store cannot say what changed since the cursor that was asked for: `keys` are all swarms. */
  readonly all: boolean;
}

/** What a seed peer says of one file. */
export interface DeclaredFile {
  /** 1 to 255 bytes. */
  readonly fileName: string;
  /** In the order of their numbers, each number once. */
  readonly pieces: readonly DeclaredPiece[];
}

export interface DeclaredPiece {
  /** 1 to 131,072. */
  readonly number: number;
  /** Any text of at most 255 bytes; a SHA-256 is in lowercase. */
  readonly hash: string;
}

/** One seed peer, as it registered. */
export interface LegacyPeer {
  readonly leaseId: string;
  readonly url: string;
  readonly files: readonly DeclaredFile[];
}

/** One seed peer's part in one file. */
export type LegacyMember = Pick<LegacyPeer, "leaseId" | "url"> & Pick<DeclaredFile, "pieces">;

/** What seed peers declare of the files of one name, at one moment. The same object until something in it changes. */
export interface LegacyFile {
  readonly fileName: string;
  /** At least one, in the order in which they registered. */
  readonly members: readonly LegacyMember[];
}

/**
 * Where a tracker keeps its soft state: leases that end by themselves, and who takes part in which swarm.
 *
 * A lease and each swarm stand alone: no method changes two of them as one step, so that an implementation over a
 * network may do one after the other. A swarm never names a lease that ended more than a sweep (1 s) ago, and a swarm
 * without members does not exist. Every implementation runs test/contract/swarm-store.ts.
 */
export interface SwarmStore {
  /** Of whoever tells of this state: trackers over one store are replicas of each other. 32 hex digits. */
  readonly trackerId: string;
  readonly orders: OrderStore;
  /**
   * Makes a lease of `leaseMs`, or `legacyLeaseMs` if it is a seed peer's. Fails with already_exists while another live lease holds the address, and with
   * resource_exhausted over a cap; then nothing has changed.
   */
  open(lease: PeerLease): Promise<void>;
  /** The live lease with this id. */
  find(id: string): Promise<PeerLease | undefined>;
  /** The live lease that holds this address. */
  holderOf(address: string): Promise<PeerLease | undefined>;
  /** Gives the lease its full time again and applies `change`. Returns it, or undefined if it has ended. */
  renew(id: string, change?: LeaseChange): Promise<PeerLease | undefined>;
  /** Ends the lease and takes it out of its swarms at once. Does nothing if it has ended. */
  end(id: string): Promise<void>;
  /**
   * Puts a lease into a swarm, or changes what it says there. A bitfield counts if its revision is newer than the
   * one kept, or if `replace` is set (a peer that restarted counts from the beginning). An info hash is in one swarm
   * a lease: another number of pieces moves it. Returns false if the store lacks the bitfield: send it again.
   * Fails with not_found if the lease has ended, and with resource_exhausted over a cap; then nothing has changed.
   */
  join(id: string, membership: Membership, replace: boolean): Promise<boolean>;
  /** Takes a lease out of the swarm of this info hash. Does nothing if it is not in it. */
  leave(id: string, infoHash: string): Promise<void>;
  /**
   * Takes these pieces out of what a lease has in a swarm, if every one of them has at least `least` copies among other
   * listed peers that stay. One step: of two who ask at once for what only one may drop, one is refused. Returns whether
   * they are out; what the lease says at a newer revision counts again.
   */
  withdraw(id: string, key: SwarmKey, ranges: readonly PieceRange[], least: number): Promise<boolean>;
  /** The info hashes that a lease takes part in. */
  joined(id: string): Promise<readonly string[]>;
  swarm(key: SwarmKey): Promise<SwarmSnapshot | undefined>;
  /** The swarms of one info hash: more than one where peers disagree on the number of pieces. */
  swarmsOf(infoHash: string): Promise<readonly SwarmKey[]>;
  /** The swarms in which somebody says that the file has this name. */
  swarmsNamed(fileName: string): Promise<readonly SwarmKey[]>;
  /** Up to `limit` swarms. */
  swarms(limit: number): Promise<readonly SwarmKey[]>;
  /** What changed after `cursor`, from an earlier answer; empty: nothing is known yet. */
  changes(cursor: string): Promise<SwarmChanges>;
  /** The live leases that lend space. */
  volunteers(): Promise<readonly PeerLease[]>;
  /**
   * What a seed peer has, instead of what it declared before. Fails with not_found if the lease has ended, and with
   * resource_exhausted over a cap; then nothing has changed.
   */
  declare(id: string, files: readonly DeclaredFile[]): Promise<void>;
  legacyFile(fileName: string): Promise<LegacyFile | undefined>;
  legacyPeers(): Promise<readonly LegacyPeer[]>;
  /** Since the start: what failed, and what was there that no tracker writes. Left out: nothing of the kind can be. */
  readonly troubles?: { readonly errors: number; readonly garbage: number };
  counts(): Promise<{ readonly leases: number; readonly swarms: number }>;
  /** Leaves no timer and no connection. */
  close(): Promise<void>;
}
