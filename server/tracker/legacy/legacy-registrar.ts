import { PiezaError } from "#core/base/errors.ts";
import { type AddressPolicy, type PeerAddress, sourceOf } from "../announce/address.ts";
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

  constructor(store: SwarmStore, addresses: AddressPolicy) {
    this.#store = store;
    this.#addresses = addresses;
  }

  /**
   * Creates or replaces the registration at the caller's address and this port, and returns its lease's id. Throws
   * permission_denied for an address that may not be named, already_exists if a peer of pieza.v1 holds it, and
   * resource_exhausted over a cap; then nothing has changed.
   */
  async register({ port, files }: LegacyRegistration, caller: string): Promise<string> {
    const address = this.#addresses.resolve({ port, tls: false }, caller);
    if (address.refusal) throw new PiezaError("permission_denied", address.refusal);
    const { id, isNew } = await this.#lease(legacyLease(address, caller));
    try {
      await this.#store.declare(id, files);
      return id;
    } catch (error) {
      if (isNew) await this.#store.end(id);
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

  async #lease(lease: PeerLease): Promise<{ id: string; isNew: boolean }> {
    try {
      await this.#store.open(lease);
      return { id: lease.id, isNew: true };
    } catch (error) {
      const holder = await this.#store.holderOf(lease.address);
      if (!holder?.legacy) throw error;
      await this.#store.renew(holder.id);
      return { id: holder.id, isNew: false };
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
    listed: true,
    notListedReason: "",
    draining: false,
  };
}
