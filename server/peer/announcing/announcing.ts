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
import { isLoopback } from "../../http/base/host-names.ts";
import { isWildcard } from "../../http/base/outer-address.ts";
import { openTransport } from "../../http/client/transports.ts";
import { leaseInMemory, leaseOnDisk } from "./lease-file.ts";

export interface AnnouncingOptions {
  readonly trackers: readonly string[];
  /** Where leases are kept between two runs, or undefined to forget them. */
  readonly leaseFolder: string | undefined;
  /** PEM, to trust besides the system's certificates. */
  readonly ca?: string | undefined;
  readonly onStatus?: ((tracker: string, status: AnnouncerStatus) => void) | undefined;
  /** At most 64 bytes. */
  readonly zone?: string | undefined;
  /** What this peer does for others' copies. Default: nothing. */
  readonly copying?: Copying | undefined;
}

/** What speaks of copies with every tracker. Trackers are told apart by id: several ways may lead to one. */
export interface Copying {
  /** What to announce to this tracker; its id is empty before its first answer. */
  say(trackerId: string): CopiesNews;
  /** What it answered to that. */
  hear(tracker: Tracker, answer: Announced): void;
}

/** What a peer needs of whatever announces it. */
export type Announces = Pick<
  Announcing,
  | "identifyKeys"
  | "start"
  | "update"
  | "completed"
  | "leave"
  | "report"
  | "isOwn"
  | "handedOver"
  | "drain"
  | "stop"
>;

/** Where a peer serves. */
export interface PeerAddress {
  /** The address that it is bound to. */
  readonly host: string;
  readonly port: number;
  readonly publicUrl?: string;
  readonly tls: boolean;
}

/**
 * What a tracker is told of it, where there is no public URL. A tracker takes the address that it sees, which across
 * machines is the right one, NAT or not. But on a loopback bind nobody elsewhere reaches that, so a tracker elsewhere
 * is told none; and a tracker on this machine sees its own address, so a bind to another one is told in full.
 */
export function announcedAddress(
  { host, port, publicUrl, tls }: PeerAddress,
  trackerUrl: string,
  interfaces = networkInterfaces(),
) {
  if (publicUrl !== undefined) return { port, publicUrl, tls };
  const tracker = withoutBrackets(new URL(trackerUrl).hostname);
  if (isLoopback(host)) return { port: isLoopback(tracker) ? port : 0, tls };
  const own = Object.values(interfaces).some((list) => list?.some(({ address }) => address === tracker));
  // A zone means something on this machine alone, and a name may stand for several addresses.
  const exact = isIP(host) !== 0 && !isWildcard(host) && !host.includes("%");
  if (!exact || !(own || isLoopback(tracker))) return { port, tls };
  const authority = `${withBrackets(host)}:${port}`;
  return { port, publicUrl: `${tls ? "https" : "http"}://${authority}`, tls };
}

/** At most what Identify answers with. */
const MAX_TRACKERS = 16;
/** A way that another has taken over from is tried again so often: what a tracker says of itself may be a lie. */
const REST_MS = 300_000;
/** Somebody holds our address: we by another way, or we before a restart, whose lease has ended by then. */
const HELD_REST_MS = 30_000;

/**
 * One announcer a URL, all told the same. Of those that lead to one tracker one announces; the others rest until it
 * fails.
 */
export class Announcing {
  /** By tracker: what each one was sent, so that it knows us when it calls back. */
  readonly identifyKeys: readonly Uint8Array[];
  readonly #announcers: readonly Announcer[];
  #address: PeerAddress = { host: "127.0.0.1", port: 0, tls: false };
  readonly #closers: readonly (() => void)[];

  constructor(options: AnnouncingOptions) {
    const urls = [...new Set(options.trackers)].slice(0, MAX_TRACKERS);
    const transports = urls.map((url) => openTransport(url, "grpc", { ca: options.ca }));
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
        copies: copying && (() => copying.say(this.#announcers[n]!.status.trackerId)),
        onAnswer: copying && ((answer) => copying.hear(tracker, answer)),
      });
    });
  }

  /** Announces from now on; nothing goes out before. */
  start(address: PeerAddress): void {
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

  /** Tells every tracker what another peer did wrong. */
  report(failure: FailureReport): void {
    for (const announcer of this.#announcers) announcer.report(failure);
  }

  /** Whether trackers know this peer by that URL. */
  isOwn(url: string): boolean {
    return this.#announcers.some(({ status }) => status.url === url);
  }

  /** After `drain`: resolves when others have what is only here, as far as somebody can. */
  async handedOver(): Promise<void> {
    await Promise.all(this.#announcers.map((announcer) => announcer.handedOver()));
  }

  /** Asks the trackers to name this peer to nobody new. */
  async drain(): Promise<void> {
    await Promise.allSettled(this.#announcers.map((announcer) => announcer.drain()));
  }

  /** Says goodbye and lets go of the connections. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#announcers.map((announcer) => announcer.stop()));
    for (const close of this.#closers) close();
  }
}

/** What announcer number `n` knows of the others. */
export function otherWays(announcers: () => readonly Announcer[], n: number): OtherWays {
  const own = () => announcers()[n]!.status.trackerId;
  const working = () => announcers().filter((other, at) => at !== n && other.working);
  return {
    restMs(reason) {
      // Who is refused at once does not know whom it asks.
      if (reason === "held") return working().some(({ status }) => status.url !== "") ? HELD_REST_MS : 0;
      const same = working().filter(({ status }) => status.trackerId === own());
      // Leases without an address do not end each other: the first stays.
      const stands = reason === "forgotten" ? same : same.filter((other) => announcers().indexOf(other) < n);
      return stands.length > 0 ? REST_MS : 0;
    },
    failed() {
      // A way that stays broken must not have those that work take the peer from each other again and again.
      if (working().some(({ status }) => status.trackerId === own())) return;
      for (const [at, other] of announcers().entries()) {
        if (at !== n && (other.status.trackerId === own() || other.status.trackerId === "")) other.wake();
      }
    },
  };
}
