import type { Random } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { Announce, Announced, Lease, VolunteerOffer } from "#core/ports/tracker.ts";
import type { Replicator } from "../replication/replicator.ts";
import { hashSecret, randomId } from "../store/lease-secret.ts";
import type { TrackerLimits } from "../store/limits.ts";
import type { LeaseChange, PeerLease, SwarmStore, VolunteerSpace } from "../store/swarm-store.ts";
import { type AddressPolicy, type DeclaredAddress, type PeerAddress, sourceOf } from "./address.ts";
import type { Contest } from "./contest.ts";
import { BEING_CHECKED, type Listings } from "./listings.ts";

/**
 * The announce interval while a peer's address is being checked, or while others copy the pieces that only it has.
 */
const SOON_MS = 1_000;

export interface RegistrarParts {
  readonly store: SwarmStore;
  readonly addresses: AddressPolicy;
  readonly contest: Contest;
  readonly listings: Listings;
  readonly replicator: Replicator;
  readonly limits: TrackerLimits;
  readonly random: Random;
}

/** A live lease and its secret, which is the caller's or new. */
interface Held {
  readonly lease: PeerLease;
  readonly secret: string;
}

/** Decides on announces: opens and renews leases, checks their secrets, and applies what a peer announces. */
export class Registrar {
  readonly #parts: RegistrarParts;

  constructor(parts: RegistrarParts) {
    this.#parts = parts;
  }

  /**
   * Applies an announce from the observed source address `caller`. Nothing changes before the caller has proven that
   * the lease is its own. A torrent over a cap fails the call after the lease has been renewed, so that a peer with
   * too many torrents keeps its lease. The answer's `lease.secret` is the caller's own or a new one.
   *
   * Throws unauthenticated without a lease, not_found if it has ended, permission_denied for a wrong secret, and
   * already_exists if another lease holds the address.
   */
  async announce(announce: Announce, caller: string, signal: AbortSignal): Promise<Announced> {
    const held =
      announce.event === "started"
        ? await this.#start(announce, caller, signal)
        : await this.#renew(announce);
    if (announce.event === "stopped") {
      await this.#parts.store.end(held.lease.id);
      this.#parts.listings.forget(held.lease.id);
      await this.#parts.replicator.stopped();
      return this.#answer(held, {});
    }
    for (const infoHash of await this.#leaves(held.lease, announce)) {
      await this.#parts.store.leave(held.lease.id, infoHash);
    }
    const resend = await this.#join(held.lease, announce);
    return this.#answer(held, { resend, ...(await this.#parts.replicator.announced(announce, held.lease)) });
  }

  /** Renews the lease that the peer had before if it is live and has the same URL; else opens a new one. */
  async #start(announce: Announce, caller: string, signal: AbortSignal): Promise<Held> {
    const declared = announce.address ?? { port: 0, tls: false, identifyKey: new Uint8Array() };
    const address = await this.#addressOf(declared, caller);
    const { url, address: hostAndPort, refusal } = address;
    const { identifyKey } = declared;
    const listing = refusal ? { listed: false, notListedReason: refusal } : BEING_CHECKED;
    const { zone } = announce;
    const volunteer = announce.volunteer && (await this.#spaceOf(announce.volunteer));
    const news = { ...listing, identifyKey, draining: false, zone, volunteer };
    const before = announce.lease && (await this.#authenticate(announce.lease));
    if (before?.url === url) {
      const lease = await this.#parts.store.renew(before.id, news);
      if (lease) return { lease: await this.#parts.listings.check(lease), secret: announce.lease!.secret };
    } else if (before) {
      await this.#parts.store.end(before.id);
    }
    const secret = randomId();
    const mine = { id: randomId(), secretHash: hashSecret(secret), url, address: hostAndPort };
    const lease: PeerLease = { ...mine, ...news, source: sourceOf(caller) };
    await this.#parts.contest.settle(lease, signal);
    await this.#parts.store.open(lease);
    return { lease: await this.#parts.listings.check(lease), secret };
  }

  /** A host name without an address is no error here: the peer is not listed until the name resolves. */
  async #addressOf(declared: DeclaredAddress, caller: string): Promise<PeerAddress> {
    const address = this.#parts.addresses.resolve(declared, caller);
    if (!declared.publicUrl) return address;
    await this.#parts.addresses.literalsOf(address.url).catch((error: unknown) => {
      if (!(error instanceof PiezaError && error.code === "unavailable")) throw error;
    });
    return address;
  }

  async #renew(announce: Announce): Promise<Held> {
    const { lease } = announce;
    if (!lease) throw new PiezaError("unauthenticated", "lease_id and lease_secret are needed");
    const known = await this.#authenticate(lease);
    const renewed = known && (await this.#parts.store.renew(lease.id, await this.#changeOf(known, announce)));
    if (!renewed) throw new PiezaError("not_found", "the lease has ended: announce STARTED");
    if (announce.event !== "stopped") await this.#parts.listings.recheck(renewed);
    return { lease: renewed, secret: lease.secret };
  }

  async #changeOf(known: PeerLease, { event, volunteer }: Announce): Promise<LeaseChange | undefined> {
    if (event !== "draining" && !volunteer && !known.volunteer) return undefined;
    return {
      ...(event === "draining" && { draining: true }),
      volunteer: volunteer && (await this.#spaceOf(volunteer)),
    };
  }

  async #spaceOf(volunteer: VolunteerOffer): Promise<VolunteerSpace> {
    return { ...volunteer, saidAtMs: await this.#parts.store.orders.now() };
  }

  /** Checks the secret. Returns the lease, or undefined if it has ended. */
  async #authenticate({ id, secret }: Lease): Promise<PeerLease | undefined> {
    if (!id || !secret) throw new PiezaError("unauthenticated", "lease_id and lease_secret are needed");
    const lease = await this.#parts.store.find(id);
    if (lease && lease.secretHash !== hashSecret(secret)) {
      throw new PiezaError("permission_denied", "lease_secret is not that of this lease");
    }
    return lease;
  }

  /** The info hashes to leave. STARTED names every torrent of the peer, so all others are left. */
  async #leaves(lease: PeerLease, announce: Announce): Promise<readonly string[]> {
    if (announce.event !== "started") return announce.left;
    const named = new Set(announce.torrents.map(({ infoHash }) => infoHash));
    return (await this.#parts.store.joined(lease.id)).filter((infoHash) => !named.has(infoHash));
  }

  /** Returns the info hashes whose bitfield the tracker lacks and the peer has to send again. */
  async #join(lease: PeerLease, announce: Announce): Promise<readonly string[]> {
    const resend: string[] = [];
    for (const torrent of announce.torrents) {
      const kept = await this.#parts.store.join(lease.id, torrent, announce.event === "started");
      if (!kept) resend.push(torrent.infoHash);
    }
    return resend;
  }

  #answer({ lease, secret }: Held, told: Partial<Announced>): Announced {
    return {
      lease: { id: lease.id, secret },
      trackerId: this.#parts.store.trackerId,
      nextAnnounceMs: this.#nextAnnounceMs(lease, told.lastCopies ?? 0),
      listed: lease.listed,
      notListedReason: lease.notListedReason,
      url: lease.url,
      resend: [],
      ...told,
    };
  }

  #nextAnnounceMs(lease: PeerLease, lastCopies: number): number {
    const { limits, listings, random } = this.#parts;
    if (lastCopies > 0 || (!lease.listed && listings.isChecking(lease.id))) return SOON_MS;
    const spread = 1 + limits.heartbeatJitter * (2 * random() - 1);
    return Math.round((lease.volunteer ? limits.volunteerMs : limits.heartbeatMs) * spread);
  }
}
