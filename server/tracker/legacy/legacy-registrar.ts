import { PiezaError } from "#core/base/errors.ts";
import { type AddressPolicy, type PeerAddress, sourceOf } from "../announce/address.ts";
import { hashSecret, randomId } from "../store/lease-secret.ts";
import type { PeerLease, SwarmStore } from "../store/swarm-store.ts";
import type { LegacyRegistration } from "./legacy-message.ts";

export interface LegacyRegistrarParts {
  readonly store: SwarmStore;
  readonly addresses: AddressPolicy;
}

/**
 * Decides on registrations under the seed's contract. It has no secret, so the address that a call comes from is what
 * proves whose a registration is: it is made, replaced and ended from there, whatever host a call names.
 */
export class LegacyRegistrar {
  readonly #store: SwarmStore;
  readonly #addresses: AddressPolicy;

  constructor({ store, addresses }: LegacyRegistrarParts) {
    this.#store = store;
    this.#addresses = addresses;
  }

  /**
   * Makes the registration at the caller's address and this port, or replaces it. Fails with permission_denied for an
   * address that is named to nobody (there is no other way to say so), already_exists if a peer with a lease of its own
   * holds it, and resource_exhausted over a cap; then nothing has changed. Returns the lease's id.
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

  /** Ends the registration at the caller's address and this port. False, and nothing has changed, if there is none. */
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
    // Of a secret that nobody was told.
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
