import type { Bitfield } from "#core/base/bitfield.ts";
import type { PieceRange, SwarmKey, VolunteerOffer } from "#core/ports/tracker.ts";
import type { OrderStore } from "./order-store.ts";

/** A peer's lease: its place in the tracker for as long as it keeps announcing. */
export interface PeerLease {
  readonly id: string;
  /** SHA-256 of the lease's secret, 64 hex digits. Only the peer has the secret itself. */
  readonly secretHash: string;
  /** Host and port, spelled one way for each address; empty if the peer gave none. One live lease may hold it. */
  readonly address: string;
  /** The URL under which other peers reach the peer; empty if it gave no address. */
  readonly url: string;
  /** The address that the announce came from, as the cap on leases for each address counts it. */
  readonly source: string;
  /** The 32-byte key with which the peer proves that the address is its own, or empty. */
  readonly identifyKey: Uint8Array;
  /** Whether the tracker names the peer to others. */
  readonly listed: boolean;
  /** Why the peer is not listed, in words; empty when it is. */
  readonly notListedReason: string;
  /**
   * When to check the address again, in whole seconds of OrderStore.now; left out: 0. Kept in the lease and not in a
   * map, because with a million peers each step to another object waits for memory (docs/v8.md).
   */
  readonly checkAtSeconds?: number | undefined;
  /** How many checks in a row have failed; left out: 0. */
  readonly checkFailures?: number | undefined;
  /** The peer finishes what is in flight: the tracker counts it and does not name it. */
  readonly draining: boolean;
  /** A legacy peer's lease: it lives longer, has no known secret, and declares files instead of joining swarms. */
  readonly legacy?: boolean | undefined;
  /** Shared by peers near each other, at most 64 bytes; left out: not known. */
  readonly zone?: string | undefined;
  /** Left out: the peer lends no space. */
  readonly volunteer?: VolunteerSpace | undefined;
}

/** The space that a peer lends, as it last announced. */
export interface VolunteerSpace extends VolunteerOffer {
  /** When the peer announced it, in ms of OrderStore.now. `freeBytes` does not account for orders told later. */
  readonly saidAtMs: number;
}

/** The fields of a lease that may change during its life. */
export type LeaseChange = Partial<
  Omit<PeerLease, "id" | "secretHash" | "address" | "url" | "source" | "legacy">
>;

/** What one lease announces of one torrent. */
export interface Membership extends SwarmKey {
  /** At most 255 bytes. */
  readonly fileName: string;
  readonly revision: number;
  /** Left out: unchanged since `revision`. */
  readonly bitfield?: Bitfield | undefined;
  /** Copies of every piece that the torrent asks for, at most 1,000; left out: not known. */
  readonly replicationTarget?: number | undefined;
  /** At most 16 MiB; left out: not known. */
  readonly pieceLength?: number | undefined;
}

/** One peer of one swarm at one moment. */
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
  /** The peer lends space for copies. */
  readonly volunteer: boolean;
  /** As in Membership; 0: not known. */
  readonly replicationTarget: number;
  readonly pieceLength: number;
}

/**
 * A swarm at one moment. A store returns the same object until the swarm changes, so that callers can cache by it.
 */
export interface SwarmSnapshot extends SwarmKey {
  /** At least one, in the order in which they joined. */
  readonly members: readonly SwarmMember[];
}

/** The swarms that changed since a cursor. */
export interface SwarmChanges {
  /** Pass it to the next call of SwarmStore.changes. */
  readonly cursor: string;
  /** Each swarm once. Swarms that are gone may be missing. */
  readonly keys: readonly SwarmKey[];
  /** The store does not know what changed since the cursor, so `keys` are all swarms. */
  readonly all: boolean;
}

/** What a legacy peer declares of one file. */
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

/** One legacy peer, as it registered. */
export interface LegacyPeer {
  readonly leaseId: string;
  readonly url: string;
  /** As in its lease. */
  readonly listed: boolean;
  readonly files: readonly DeclaredFile[];
}

/** The pieces of one file that one legacy peer declares. */
export type LegacyMember = Pick<LegacyPeer, "leaseId" | "url"> & Pick<DeclaredFile, "pieces">;

/**
 * All listed legacy peers of one file name at one moment. A store returns the same object until one of them changes.
 */
export interface LegacyFile {
  readonly fileName: string;
  /** At least one, in the order in which they registered or were listed. */
  readonly members: readonly LegacyMember[];
}

/**
 * The soft state of a tracker: leases that expire, and the swarms that each lease takes part in.
 *
 * Each lease and each swarm changes on its own: no method changes two of them atomically, so an implementation over a
 * network may do one after the other. A swarm never contains a lease that ended more than a sweep (1 s) ago, and a
 * swarm without members does not exist. Every implementation runs test/contract/swarm-store.ts.
 */
export interface SwarmStore {
  /** The id of the tracker, 32 hex digits. Trackers over one store are replicas and share it. */
  readonly trackerId: string;
  readonly orders: OrderStore;
  /**
   * Creates a lease of `leaseMs`, or of `legacyLeaseMs` for a legacy peer. Throws already_exists while another live
   * lease holds the address, and resource_exhausted over a cap; then nothing has changed.
   */
  open(lease: PeerLease): Promise<void>;
  /** The live lease with this id. */
  find(id: string): Promise<PeerLease | undefined>;
  /** The live lease that holds this address. */
  holderOf(address: string): Promise<PeerLease | undefined>;
  /** Restarts the lease's time and applies `change`. Returns the lease, or undefined if it has ended. */
  renew(id: string, change?: LeaseChange): Promise<PeerLease | undefined>;
  /** Ends the lease and removes it from its swarms at once. Does nothing if it has ended. */
  end(id: string): Promise<void>;
  /**
   * Adds a lease to a swarm, or updates it there. A bitfield counts if its revision is newer than the stored one, or
   * if `replace` is set, because a peer that restarted counts from the beginning. A lease is in one swarm of an info
   * hash: another number of pieces moves it. Returns false if the store lacks the bitfield and the peer has to send
   * it again. Throws not_found if the lease has ended, and resource_exhausted over a cap; then nothing has changed.
   */
  join(id: string, membership: Membership, replace: boolean): Promise<boolean>;
  /** Removes a lease from the swarm of this info hash. Does nothing if it is not in it. */
  leave(id: string, infoHash: string): Promise<void>;
  /**
   * Removes these pieces from a lease's bitfield if each has at least `least` copies at other listed peers that are
   * not draining. Atomic: if two peers ask at once to drop a piece that only one may drop, one of them is refused.
   * Returns whether the pieces are removed. A bitfield of a newer revision overrides the removal.
   */
  withdraw(id: string, key: SwarmKey, ranges: readonly PieceRange[], least: number): Promise<boolean>;
  /** The info hashes that a lease takes part in. */
  joined(id: string): Promise<readonly string[]>;
  swarm(key: SwarmKey): Promise<SwarmSnapshot | undefined>;
  /** The swarms of one info hash: more than one where peers disagree on the number of pieces. */
  swarmsOf(infoHash: string): Promise<readonly SwarmKey[]>;
  /** The swarms in which at least one peer announces this file name. */
  swarmsNamed(fileName: string): Promise<readonly SwarmKey[]>;
  /** Up to `limit` swarms. */
  swarms(limit: number): Promise<readonly SwarmKey[]>;
  /** The swarms that changed after `cursor`, which an earlier answer gave; empty for the first call. */
  changes(cursor: string): Promise<SwarmChanges>;
  /** The live leases that lend space. */
  volunteers(): Promise<readonly PeerLease[]>;
  /** Replaces what a legacy peer declared. Throws not_found if the lease has ended, resource_exhausted over a cap. */
  declare(id: string, files: readonly DeclaredFile[]): Promise<void>;
  legacyFile(fileName: string): Promise<LegacyFile | undefined>;
  /** All of them, listed or not. */
  legacyPeers(): Promise<readonly LegacyPeer[]>;
  /** Commands that failed, and values that no tracker wrote, since the start. Left out where neither can happen. */
  readonly troubles?: { readonly errors: number; readonly garbage: number };
  counts(): Promise<{ readonly leases: number; readonly swarms: number }>;
  /** Leaves no timer and no connection. */
  close(): Promise<void>;
}
