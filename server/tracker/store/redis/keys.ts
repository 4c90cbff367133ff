import { createHash } from "node:crypto";
import type { SwarmKey } from "#core/ports/tracker.ts";

/** A text in a key is represented by this many hex digits of its SHA-256: 128 bits. */
const DIGEST_DIGITS = 32;
const INFO_HASH_DIGITS = 64;
/** Hex digits of a number of pieces. */
const TOTAL_DIGITS = 8;

export type RedisKeys = ReturnType<typeof redisKeys>;

/**
 * The keys of everything that a tracker keeps in Redis. No text that a caller sent is part of a key: an info hash has
 * been checked to be 64 hex digits, and any other text is replaced by its digest. So all keys of one kind have one
 * length, and no text can act as a pattern, a hash tag or another key.
 */
export function redisKeys(prefix: string) {
  return {
    trackerId: `${prefix}tracker_id`,
    /** Sorted set of lease digests by the time at which they end. */
    leases: `${prefix}leases`,
    /** Sorted set of swarms by the bytes that they take. */
    swarms: `${prefix}swarms`,
    /** The sum of the bytes of all swarms and of the files of legacy peers. */
    bytes: `${prefix}bytes`,
    /** Table of legacy peers; `declared` has their files. */
    legacyPeers: `${prefix}seeds`,
    /** Sorted set of legacy peers by the bytes that their files take. */
    legacyBytes: `${prefix}seed_bytes`,
    /** Set of the digests of leases that lend space. */
    volunteers: `${prefix}volunteers`,
    /** Sorted set of swarms by the number of their last change. */
    changed: `${prefix}changed`,
    /** Hash of the number of changes, and of the time since which they are counted. */
    changes: `${prefix}changes`,
    /** Set of the swarms that have orders, or had. */
    books: `${prefix}books`,
    /** Stream of the votes against peers. */
    votes: `${prefix}votes`,
    /** The calls of a network in the last seconds. */
    rate: (network: string) => `${prefix}rate:${digestOf(network)}`,
    /** Table of the orders of one swarm, by volunteer. */
    orders: (swarmId: string) => `${prefix}orders:${swarmId}`,
    /** Set of the swarms in which a volunteer has an order, or had. */
    ordered: (digest: string) => `${prefix}ordered:${digest}`,
    lease: (digest: string) => `${prefix}lease:${digest}`,
    /** Hash of the info hashes that a lease takes part in, with their numbers of pieces. */
    joined: (digest: string) => `${prefix}joined:${digest}`,
    /** The files of a legacy peer. */
    declared: (digest: string) => `${prefix}declared:${digest}`,
    /** The digest of the lease that holds an address. */
    address: (address: string) => `${prefix}address:${digestOf(address)}`,
    /** Set of the leases from one source address. */
    source: (source: string) => `${prefix}source:${digestOf(source)}`,
    /** Table of the members of one swarm. */
    swarm: (swarmId: string) => `${prefix}swarm:${swarmId}`,
    /** Set of the swarms of one info hash. */
    infoHash: (infoHash: string) => `${prefix}info_hash:${infoHash}`,
    /** Set of the swarms in which a file has this name, or had. */
    name: (fileName: string) => `${prefix}name:${digestOf(fileName)}`,
  };
}

/** Represents a lease's id, or any other text, in keys and sets. */
export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, DIGEST_DIGITS);
}

export function isDigest(text: string): boolean {
  return text.length === DIGEST_DIGITS && /^[0-9a-f]+$/.test(text);
}

/** A swarm's key as 72 hex digits. */
export function swarmIdOf({ infoHash, totalPieces }: SwarmKey): string {
  return infoHash + totalPieces.toString(16).padStart(TOTAL_DIGITS, "0");
}

/** Reverses swarmIdOf. Undefined if the text is not a swarm's id. */
export function parseSwarmId(id: string): SwarmKey | undefined {
  if (id.length !== INFO_HASH_DIGITS + TOTAL_DIGITS || !/^[0-9a-f]+$/.test(id)) return undefined;
  const totalPieces = Number.parseInt(id.slice(INFO_HASH_DIGITS), 16);
  return totalPieces > 0 ? { infoHash: id.slice(0, INFO_HASH_DIGITS), totalPieces } : undefined;
}
