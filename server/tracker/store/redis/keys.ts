import { createHash } from "node:crypto";
import type { SwarmKey } from "#core/ports/tracker.ts";

/** Hex digits of what stands for a text in a key: 128 bits of its SHA-256. */
const DIGEST_DIGITS = 32;
const INFO_HASH_DIGITS = 64;
/** Hex digits of a number of pieces. */
const TOTAL_DIGITS = 8;

/**
 * The names of everything that a tracker keeps in Redis. Nothing that somebody sent is ever part of a key: an info
 * hash has been checked to be 64 hex digits, and any other text is there as its digest. So every key of one kind has
 * one length, and no text can be a pattern, a tag or another key.
 */
export class RedisKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  get trackerId(): string {
    return `${this.#prefix}tracker_id`;
  }

  /** Sorted set of lease digests by the time at which they end. */
  get leases(): string {
    return `${this.#prefix}leases`;
  }

  /** Sorted set of swarms by the bytes that they take. */
  get swarms(): string {
    return `${this.#prefix}swarms`;
  }

  /** The sum of all bytes that swarms and seed peers' files take. */
  get bytes(): string {
    return `${this.#prefix}bytes`;
  }

  /** A table of seed peers; what they declare is in `declared`. */
  get legacyPeers(): string {
    return `${this.#prefix}seeds`;
  }

  /** Sorted set of seed peers by the bytes that their files take. */
  get legacyBytes(): string {
    return `${this.#prefix}seed_bytes`;
  }

  /** Set of the digests of leases that lend space. */
  get volunteers(): string {
    return `${this.#prefix}volunteers`;
  }

  /** Sorted set of swarms by the number of their last change. */
  get changed(): string {
    return `${this.#prefix}changed`;
  }

  /** How many changes there were, and since when they are counted. */
  get changes(): string {
    return `${this.#prefix}changes`;
  }

  /** Set of the swarms that have, or had, orders. */
  get books(): string {
    return `${this.#prefix}books`;
  }

  /** Stream of what lease holders reported of peers. */
  get votes(): string {
    return `${this.#prefix}votes`;
  }

  /** The calls of an address in the last seconds. */
  rate(network: string): string {
    return `${this.#prefix}rate:${digestOf(network)}`;
  }

  /** A table of orders, by the volunteers that they are for. */
  orders(swarmId: string): string {
    return `${this.#prefix}orders:${swarmId}`;
  }

  /** The swarms in which a volunteer has, or had, an order. */
  ordered(digest: string): string {
    return `${this.#prefix}ordered:${digest}`;
  }

  lease(digest: string): string {
    return `${this.#prefix}lease:${digest}`;
  }

  /** Hash of the info hashes that a lease takes part in, with their numbers of pieces. */
  joined(digest: string): string {
    return `${this.#prefix}joined:${digest}`;
  }

  declared(digest: string): string {
    return `${this.#prefix}declared:${digest}`;
  }

  /** The lease that holds an address. */
  address(address: string): string {
    return `${this.#prefix}address:${digestOf(address)}`;
  }

  /** The leases from one source. */
  source(source: string): string {
    return `${this.#prefix}source:${digestOf(source)}`;
  }

  /** A table of members. */
  swarm(swarmId: string): string {
    return `${this.#prefix}swarm:${swarmId}`;
  }

  /** The swarms of one info hash. */
  infoHash(infoHash: string): string {
    return `${this.#prefix}info_hash:${infoHash}`;
  }

  /** The swarms in which a file has, or had, this name. */
  name(fileName: string): string {
    return `${this.#prefix}name:${digestOf(fileName)}`;
  }
}

/** What stands for a lease's id, or any other text, in keys and sets. */
export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, DIGEST_DIGITS);
}

export function isDigest(text: string): boolean {
  return text.length === DIGEST_DIGITS && /^[0-9a-f]+$/.test(text);
}

/** 72 hex digits. */
export function swarmIdOf({ infoHash, totalPieces }: SwarmKey): string {
  return infoHash + totalPieces.toString(16).padStart(TOTAL_DIGITS, "0");
}

/** Undefined if the text is no swarm's id. */
export function parseSwarmId(id: string): SwarmKey | undefined {
  if (id.length !== INFO_HASH_DIGITS + TOTAL_DIGITS || !/^[0-9a-f]+$/.test(id)) return undefined;
  const totalPieces = Number.parseInt(id.slice(INFO_HASH_DIGITS), 16);
  return totalPieces > 0 ? { infoHash: id.slice(0, INFO_HASH_DIGITS), totalPieces } : undefined;
}
