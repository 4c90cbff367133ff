import { PiezaError } from "#core/base/errors.ts";
import { type AddressPolicy, type PeerAddress, sourceOf } from "../announce/address.ts";
import type { Contest } from "../announce/contest.ts";
import { BEING_CHECKED } from "../announce/listings.ts";
import { hashSecret, randomId } from "../store/lease-secret.ts";
import type { PeerLease, SwarmStore } from "../store/swarm-store.ts";
import type { LegacyRegistration } from "./legacy-message.ts";

/**
 * Accepts registrations under the legacy contract. It has no secrets, so the address that a call comes from proves
 * the owner: a registration is made, replaced and ended only from its own address, whatever host a call names.
 */
export class LegacyRegistrar {
  readonly #store: SwarmStore;
  readonly #addresses: AddressPolicy;
  readonly #contest: Contest;

  constructor(store: SwarmStore, addresses: AddressPolicy, contest: Contest) {
    this.#store = store;
    this.#addresses = addresses;
    this.#contest = contest;
  }

  /**
   * Creates or replaces the registration at the caller's address and this port, and returns its lease. A new one is
   * not listed yet. Throws permission_denied for an address that may not be named, already_exists if a peer of
   * pieza.v1 answers there, and resource_exhausted over a cap; then nothing has changed.
   */
  async register(
    { port, files }: LegacyRegistration,
    caller: string,
    signal: AbortSignal,
  ): Promise<PeerLease> {
    const address = this.#addresses.resolve({ port, tls: false }, caller);
    if (address.refusal) throw new PiezaError("permission_denied", address.refusal);
    const newcomer = legacyLease(address, caller);
    await this.#contest.settle(newcomer, signal);
    const lease = await this.#lease(newcomer);
    const { id } = lease;
    try {
      await this.#store.declare(id, files);
      return lease;
    } catch (error) {
      if (lease === newcomer) await this.#store.end(id);
      throw error;
    }
  }

  /** Ends the registration at the caller's address and this port. Returns false if there is none. */
  async deregister(port: number, caller: string): Promise<boolean> {
    const { address } = this.#addresses.resolve({ port, tls: false }, caller);
    const holder = address === "" ? undefined : await this.#store.holderOf(address);
    if (!holder?.legacy) return false;
    await this.#store.end(holder.id);
    return true;
  }

  /** Returns the newcomer's lease, or that of the registration which it replaces. */
  async #lease(newcomer: PeerLease): Promise<PeerLease> {
    try {
      await this.#store.open(newcomer);
      return newcomer;
    } catch (error) {
      const holder = await this.#store.holderOf(newcomer.address);
      if (!holder?.legacy) throw error;
      await this.#store.renew(holder.id);
      return holder;
    }
  }
}

function legacyLease({ url, address }: PeerAddress, caller: string): PeerLease {
  return {
    id: randomId(),
    legacy: true,
    // The secret is discarded: no caller can present it.
    secretHash: hashSecret(randomId()),
    identifyKey: new Uint8Array(),
    url,
    address,
    source: sourceOf(caller),
    ...BEING_CHECKED,
    draining: false,
  };
}
