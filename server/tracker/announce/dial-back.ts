import { createHmac, randomBytes } from "node:crypto";
import type { LookupFunction } from "node:net";
import { createClient } from "@connectrpc/connect";
import ipaddr from "ipaddr.js";
import { type Clock, sleep } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import { withoutBrackets } from "#core/base/host.ts";
import { toPiezaError } from "#core/rpc/errors.ts";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { openTransport, type TransportKind } from "../../http/client/transports.ts";
import { equalBytes } from "../store/lease-secret.ts";
import { type AddressPolicy, sourceOf } from "./address.ts";
import type { FairSlots } from "./fair-slots.ts";
import type { CheckedPeer, Reachability, ReachabilityCheck } from "./reachability.ts";

/** The time for resolving the name, connecting and answering together. */
const DIAL_MS = 2_000;
/** Room for sixteen proofs of 32 bytes and their encoding. */
const MAX_ANSWER_BYTES = 4 << 10;
const NONCE_BYTES = 32;
/** Characters of a reason, which may quote the other side's words. */
const MAX_REASON_CHARS = 200;
const NOT_ITS_OWN = "this peer does not answer there, and its announce comes from another address";

/** Connect passes every proxy in front of a peer; gRPC is spoken by peers in any language. */
const kinds: readonly TransportKind[] = ["connect", "grpc"];

export interface DialBackOptions {
  readonly addresses: AddressPolicy;
  /** Limits the peers that are dialled at once, in turn by source. */
  readonly slots: FairSlots;
  readonly clock: Clock;
  /** Certificates in PEM to trust besides those of the system. */
  readonly ca?: string | undefined;
}

/**
 * Calls a peer back at its announced address. The address is proven if the peer there knows the key of the announce.
 * It dials only addresses that the policy allows at that moment, follows no redirect, and reads at most 4 KiB.
 */
export class DialBack implements ReachabilityCheck {
  readonly #options: DialBackOptions;

  constructor(options: DialBackOptions) {
    this.#options = options;
  }

  async check({ url, source, identifyKey }: CheckedPeer, signal: AbortSignal): Promise<Reachability> {
    if (identifyKey.length === 0) return notListed("it sent no key that could prove its address");
    const { slots, clock } = this.#options;
    let dialledMs = clock.now();
    try {
      await slots.run(source, signal, () => {
        dialledMs = clock.now();
        return this.#prove(url, identifyKey, signal);
      });
      return { listed: true, reason: "", proven: true };
    } catch (error) {
      signal.throwIfAborted();
      if (isWhereItCallsFrom(url, source)) return notListed(reasonOf(url, error));
      // Neither the words nor the time may tell an announcer what listens at an address of somebody else.
      await sleep(clock, Math.max(0, dialledMs + DIAL_MS - clock.now()), signal);
      return notListed(`not reached at ${url}: ${NOT_ITS_OWN}`.slice(0, MAX_REASON_CHARS));
    }
  }

  async #prove(url: string, key: Uint8Array, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const cancel = this.#options.clock.after(DIAL_MS, () =>
      over.abort(new PiezaError("deadline_exceeded", `no answer within ${DIAL_MS / 1_000} s`)),
    );
    const either = AbortSignal.any([signal, over.signal]);
    try {
      const literals = await this.#options.addresses.literalsOf(url);
      let last: unknown;
      for (const kind of kinds) {
        either.throwIfAborted();
        const proven = await this.#identify(url, kind, literals, key, either).catch((error: unknown) => {
          last ??= error;
        });
        if (proven === true) return;
        if (proven === false) throw new PiezaError("permission_denied", "another peer answers there");
      }
      throw either.aborted ? either.reason : last;
    } finally {
      cancel();
    }
  }

  /** Returns whether the peer at `url` knows the key. Throws if no peer answers. */
  async #identify(
    url: string,
    kind: TransportKind,
    literals: readonly string[],
    key: Uint8Array,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { transport, close } = openTransport(url, kind, {
      ca: this.#options.ca,
      readMaxBytes: MAX_ANSWER_BYTES,
      lookup: pinnedTo(literals),
      direct: true,
    });
    try {
      const nonce = randomBytes(NONCE_BYTES);
      const { proofs } = await createClient(PeerService, transport).identify({ nonce }, { signal });
      const expected = createHmac("sha256", key).update(nonce).digest();
      return proofs.some((proof) => equalBytes(proof, expected));
    } finally {
      close();
    }
  }
}

/** Whether the URL's host is the address that the announce came from. A name may lead anywhere. */
function isWhereItCallsFrom(url: string, source: string): boolean {
  return source !== "" && sourceOf(withoutBrackets(new URL(url).hostname)) === source;
}

function notListed(reason: string): Reachability {
  return { listed: false, reason, proven: false };
}

function reasonOf(url: string, error: unknown): string {
  const { code, message } = toPiezaError(error);
  if (code === "unimplemented") return `the server at ${url} is no peer`;
  return `not reached at ${url}: ${message}`.slice(0, MAX_REASON_CHARS);
}

/** A DNS lookup that returns these addresses for every name. */
function pinnedTo(literals: readonly string[]): LookupFunction {
  const found = literals.map((address) => ({
    address,
    family: ipaddr.parse(address).kind() === "ipv6" ? 6 : 4,
  }));
  return (_, options, callback) => {
    if (options.all) callback(null, found);
    else callback(null, found[0]!.address, found[0]!.family);
  };
}
