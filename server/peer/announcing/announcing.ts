import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import {
  Announcer,
  type AnnouncerStatus,
  type CopiesNews,
  type OtherWays,
} from "#core/announce/announcer.ts";
import { withBrackets, withoutBrackets } from "#core/base/host.ts";
import type { Announced, AnnouncedTorrent, FailureReport, Tracker } from "#core/ports/tracker.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { isLoopback } from "../../http/base/networks.ts";
import { isWildcard } from "../../http/base/outer-address.ts";
import type { Reach } from "../../http/client/reach.ts";
import { openTransport } from "../../http/client/transports.ts";
import { leaseInMemory, leaseOnDisk } from "./lease-file.ts";

export interface AnnouncingOptions {
  /** URLs, at most 16. Without any, the peer announces nothing. */
  readonly trackers: readonly string[];
  /** Folder that keeps leases between runs; undefined forgets them. */
  readonly leaseFolder: string | undefined;
  /** PEM certificates to trust in addition to the system's. */
  readonly ca?: string | undefined;
  /** Learns where the trackers are, which decides which peers they may name. */
  readonly reach?: Reach | undefined;
  /** Called with each tracker's verdict: this peer is listed, or why not. */
  readonly onStatus?: ((tracker: string, status: AnnouncerStatus) => void) | undefined;
  /** Name shared by peers near each other, such as a rack's; at most 64 bytes. */
  readonly zone?: string | undefined;
  /** Replication: what this peer copies for the swarm. Default: nothing. */
  readonly copying?: Copying | undefined;
}

/**
 * The replication part of every announce. Trackers are told apart by the URL under which this peer announces to them.
 * The id that a tracker says it has counts for nothing here: it may be another tracker's.
 */
export interface Copying {
  /** The news for the next announce to the tracker at this URL. */
  say(trackerUrl: string): CopiesNews;
  /** Takes the tracker's answer to an announce. */
  hear(tracker: Tracker, answer: Announced): void;
}

/** Announces a peer, from this process or another one. */
export type Announces = Pick<Announcing, keyof Announcing>;

/** Where a peer serves. */
export interface ServingAddress {
  /** The IP address that the server is bound to. */
  readonly host: string;
  readonly port: number;
  readonly publicUrl?: string;
  readonly tls: boolean;
}

/**
 * The address to announce: the public URL, or none, so that the tracker takes the address that it sees. That is right
 * across machines, behind NAT too, but for two binds. No other machine reaches a loopback bind, so a tracker
 * elsewhere gets port 0. A tracker on this machine sees its own address, which may be 127.0.0.1 or ::1, so it gets the
 * URL of a bind to another one.
 */
export function announcedAddress(
  { host, port, publicUrl, tls }: ServingAddress,
  trackerUrl: string,
  interfaces = networkInterfaces(),
) {
  if (publicUrl !== undefined) return { port, publicUrl, tls };
  const tracker = withoutBrackets(new URL(trackerUrl).hostname);
  if (isLoopback(host) && !isLoopback(tracker)) return { port: 0, tls };
  if (isLoopback(host) && host === tracker) return { port, tls };
  const own = Object.values(interfaces).some((list) => list?.some(({ address }) => address === tracker));
  // An IPv6 zone is valid only on this machine, and a host name may stand for several addresses.
  const exact = isIP(host) !== 0 && !isWildcard(host) && !host.includes("%");
  if (!exact || !(own || isLoopback(tracker))) return { port, tls };
  const authority = `${withBrackets(host)}:${port}`;
  return { port, publicUrl: `${tls ? "https" : "http"}://${authority}`, tls };
}

/** Trackers per peer: Identify answers with at most this many keys. */
const MAX_TRACKERS = 16;
/** Pause of a URL while another one announces to its tracker. It ends, because a tracker may lie about its id. */
const REST_MS = 300_000;
/** Pause while this peer's address is leased by another URL, or by its run before a restart (expired by then). */
const HELD_REST_MS = 30_000;

/** One announcer for each tracker URL. Of the URLs that lead to one tracker, one announces until it fails. */
export class Announcing {
  /** One key for each tracker, which Identify proves to know when the tracker calls back. */
  readonly identifyKeys: readonly Uint8Array[];
  readonly #announcers: readonly Announcer[];
  #address: ServingAddress = { host: "127.0.0.1", port: 0, tls: false };
  readonly #closers: readonly (() => void)[];

  constructor(options: AnnouncingOptions) {
    const urls = [...new Set(options.trackers)].slice(0, MAX_TRACKERS);
    const transports = urls.map((url) =>
      openTransport(url, "grpc", { ca: options.ca, lookup: options.reach?.lookupOf(url) }),
    );
    this.identifyKeys = urls.map(() => randomBytes(32));
    this.#closers = transports.map(({ close }) => close);
    this.#announcers = urls.map((url, n) => {
      const identifyKey = this.identifyKeys[n]!;
      const tracker = remoteTracker({ url, transport: transports[n]!.transport });
      const { copying, zone } = options;
      return new Announcer({
        tracker,
        zone,
        clock: nodeClock,
        random: Math.random,
        address: () => ({ ...announcedAddress(this.#address, url), identifyKey }),
        leases: options.leaseFolder ? leaseOnDisk(options.leaseFolder, url) : leaseInMemory(),
        onStatus: (status) => options.onStatus?.(url, status),
        otherWays: otherWays(() => this.#announcers, n),
        copies: copying && (() => copying.say(url)),
        onAnswer: copying && ((answer) => copying.hear(tracker, answer)),
      });
    });
  }

  /** Starts to announce; nothing is sent before. */
  start(address: ServingAddress): void {
    this.#address = address;
    for (const announcer of this.#announcers) announcer.start();
  }

  update(torrent: AnnouncedTorrent): void {
    for (const announcer of this.#announcers) announcer.update(torrent);
  }

  completed(infoHash: string): void {
    for (const announcer of this.#announcers) announcer.completed(infoHash);
  }

  leave(infoHash: string): void {
    for (const announcer of this.#announcers) announcer.leave(infoHash);
  }

  /** Reports another peer's failure to every tracker. */
  report(failure: FailureReport): void {
    for (const announcer of this.#announcers) announcer.report(failure);
  }

  /** Whether trackers list this peer under that URL. */
  isOwn(url: string): boolean {
    return this.#announcers.some(({ status }) => status.url === url);
  }

  /** Call after `drain`. Resolves when other peers have all that only this peer had, as far as any can copy it. */
  async handedOver(): Promise<void> {
    await Promise.all(this.#announcers.map((announcer) => announcer.handedOver()));
  }

  /** Asks the trackers not to name this peer to other peers any more. */
  async drain(): Promise<void> {
    await Promise.allSettled(this.#announcers.map((announcer) => announcer.drain()));
  }

  /** Tells the trackers that the peer leaves and closes the connections. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#announcers.map((announcer) => announcer.stop()));
    for (const close of this.#closers) close();
  }
}

/** Tells announcer number `n` about the other URLs of its tracker. */
export function otherWays(announcers: () => readonly Announcer[], n: number): OtherWays {
  const own = () => announcers()[n]!.status.trackerId;
  const working = () => announcers().filter((other, at) => at !== n && other.working);
  return {
    restMs(reason) {
      // An announcer that is refused at its first announce does not know the id of its tracker.
      if (reason === "held") return working().some(({ status }) => status.url !== "") ? HELD_REST_MS : 0;
      const same = working().filter(({ status }) => status.trackerId === own());
      // Leases without an address do not end each other, so the first URL keeps announcing.
      const stands = reason === "forgotten" ? same : same.filter((other) => announcers().indexOf(other) < n);
      return stands.length > 0 ? REST_MS : 0;
    },
    failed() {
      // A URL that stays broken must not make the working ones take the peer from each other again and again.
      if (working().some(({ status }) => status.trackerId === own())) return;
      for (const [at, other] of announcers().entries()) {
        if (at !== n && (other.status.trackerId === own() || other.status.trackerId === "")) other.wake();
      }
    },
  };
}
