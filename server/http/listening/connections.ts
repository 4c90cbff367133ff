import type { Socket } from "node:net";
import { network, subnetOf } from "../base/caller.ts";

/** A connection without progress for this long is idle. */
const IDLE_MS = 1_000;
/** Progress is looked at this often, while there are many connections. */
const LOOK_MS = 500;
/** Bytes from a caller that count as progress. Fewer do not: a caller could drip them for ever. */
const PROGRESS_BYTES = 4 << 10;

interface Held {
  readonly socket: Socket;
  readonly network: Set<Held>;
  /** The caller's address, or its /64 of IPv6. */
  readonly address: string;
  progress: number;
  /** Start of the time without progress, on `now()`. */
  sinceMs: number;
}

/**
 * The open connections of one server, at most `most`, by the network that they come from: a /24 of IPv4, a /48 of
 * IPv6. When all are taken, the network with the most of them makes room for a new one: it loses the connection that
 * has been idle for the longest time. So callers of one network never keep out those of another; nor do those of one
 * address keep out others of their network.
 */
export class Connections {
  readonly #most: number;
  readonly #now: () => number;
  readonly #byNetwork = new Map<string, Set<Held>>();
  readonly #byAddress = new Map<string, number>();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(most: number, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#now = now;
  }

  /** Takes a new connection and returns true, or destroys it and returns false. */
  admit(socket: Socket): boolean {
    const address = addressOf(socket);
    const name = subnetOf(address);
    if (this.#count >= this.#most && !this.#makeRoom(name, network(address))) {
      socket.destroy();
      return false;
    }
    const held: Held = {
      socket,
      network: this.#byNetwork.get(name) ?? new Set(),
      address: network(address),
      progress: 0,
      sinceMs: this.#now(),
    };
    this.#byNetwork.set(name, held.network.add(held));
    this.#byAddress.set(held.address, this.#of(held.address) + 1);
    this.#count++;
    if (this.#count > this.#most / 2) this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    socket.once("close", () => this.#forget(held, name));
    return true;
  }

  /** Whether a connection of the largest network could be closed for one of this network and address. */
  #makeRoom(name: string, address: string): boolean {
    const largest = [...this.#byNetwork.values()].reduce(
      (a, b) => (b.size > a.size ? b : a),
      new Set<Held>(),
    );
    let quietest: Held | undefined;
    for (const held of largest) if (held.sinceMs < (quietest?.sinceMs ?? Infinity)) quietest = held;
    if (!quietest) return false;
    // A caller takes from those who have as many, in its network or another, only what is idle.
    const isIdle = this.#now() - quietest.sinceMs >= IDLE_MS;
    const own = this.#byNetwork.get(name);
    const isFair =
      largest === own
        ? this.#of(quietest.address) > this.#of(address) + 1
        : largest.size > (own?.size ?? 0) + 1;
    if (!isIdle && !isFair) return false;
    this.#drop(quietest);
    quietest.socket.destroy();
    return true;
  }

  #look(): void {
    const now = this.#now();
    for (const members of this.#byNetwork.values()) {
      for (const held of members) {
        const { bytesWritten, bytesRead } = held.socket;
        const progress = bytesWritten + Math.floor(bytesRead / PROGRESS_BYTES);
        if (progress !== held.progress) held.sinceMs = now;
        held.progress = progress;
      }
    }
    if (this.#count > this.#most / 2) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #of(address: string): number {
    return this.#byAddress.get(address) ?? 0;
  }

  #drop(held: Held): void {
    if (!held.network.delete(held)) return;
    this.#count--;
    const left = this.#of(held.address) - 1;
    if (left > 0) this.#byAddress.set(held.address, left);
    else this.#byAddress.delete(held.address);
  }

  #forget(held: Held, name: string): void {
    this.#drop(held);
    if (held.network.size === 0 && this.#byNetwork.get(name) === held.network) this.#byNetwork.delete(name);
  }
}

/** The address of a socket's caller; "" if the caller has gone already. */
function addressOf({ remoteAddress = "" }: Socket): string {
  return remoteAddress.startsWith("::ffff:") ? remoteAddress.slice(7) : remoteAddress;
}
