import type { Socket } from "node:net";
import { subnetOf } from "../base/caller.ts";

/** A connection without progress for this long is idle. */
const IDLE_MS = 1_000;
/** Progress is looked at this often, while there are many connections. */
const LOOK_MS = 500;
/** Bytes from a caller that count as progress. Fewer do not: a caller could drip them for ever. */
const PROGRESS_BYTES = 4 << 10;

interface Held {
  readonly socket: Socket;
  readonly network: Set<Held>;
  progress: number;
  /** Start of the time without progress, on `now()`. */
  sinceMs: number;
}

/**
 * The open connections of one server, at most `most`, by the network that they come from: a /24 of IPv4, a /48 of
 * IPv6. When all are taken, the network with the most of them makes room for a new one: it loses the connection that
 * has been idle for the longest time. So callers of one network never keep out those of another.
 */
export class Connections {
  readonly #most: number;
  readonly #now: () => number;
  readonly #byNetwork = new Map<string, Set<Held>>();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(most: number, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#now = now;
  }

  /** Takes a new connection and returns true, or destroys it and returns false. */
  admit(socket: Socket): boolean {
    const name = networkOf(socket);
    if (this.#count >= this.#most && !this.#makeRoom(this.#byNetwork.get(name)?.size ?? 0)) {
      socket.destroy();
      return false;
    }
    const network = this.#byNetwork.get(name) ?? new Set();
    this.#byNetwork.set(name, network);
    const held: Held = { socket, network, progress: 0, sinceMs: this.#now() };
    network.add(held);
    this.#count++;
    if (this.#count > this.#most / 2) this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    socket.once("close", () => this.#forget(held, name));
    return true;
  }

  /** Whether a connection of the largest network could be closed for one of a network that has `own`. */
  #makeRoom(own: number): boolean {
    const largest = [...this.#byNetwork.values()].reduce(
      (a, b) => (b.size > a.size ? b : a),
      new Set<Held>(),
    );
    let quietest: Held | undefined;
    for (const held of largest) if (held.sinceMs < (quietest?.sinceMs ?? Infinity)) quietest = held;
    if (!quietest) return false;
    // A network takes from itself, or from one of its size, only what is idle.
    const isIdle = this.#now() - quietest.sinceMs >= IDLE_MS;
    if (!isIdle && largest.size <= own + 1) return false;
    this.#drop(quietest);
    quietest.socket.destroy();
    return true;
  }

  #look(): void {
    const now = this.#now();
    for (const network of this.#byNetwork.values()) {
      for (const held of network) {
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

  #drop(held: Held): void {
    if (held.network.delete(held)) this.#count--;
  }

  #forget(held: Held, name: string): void {
    this.#drop(held);
    if (held.network.size === 0 && this.#byNetwork.get(name) === held.network) this.#byNetwork.delete(name);
  }
}

/** The network of a socket's caller; "" if the caller has gone already. */
function networkOf({ remoteAddress = "" }: Socket): string {
  return subnetOf(remoteAddress.startsWith("::ffff:") ? remoteAddress.slice(7) : remoteAddress);
}
