import { type Client, createClient, createRouterTransport, type Transport } from "@connectrpc/connect";
import { PiezaError } from "#core/base/errors.ts";
import type { Tracker } from "#core/ports/tracker.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import { TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { TrackerService as LegacyTrackerService } from "#gen/tracker_pb.ts";
import { kCallerAddress } from "../../../server/http/base/context.ts";
import type { LogEvent } from "../../../server/http/base/log.ts";
import { reportErrors } from "../../../server/http/handling/library.ts";
import { RedisSwarmStore } from "../../../server/tracker/store/redis/redis-swarm-store.ts";
import { composeTracker, sharedStore, type TrackerOptions } from "../../../server/tracker/tracker.ts";
import { FakeClock } from "../fake-clock.ts";
import { routesOf } from "../wire/routes-of.ts";
import { neverBusy } from "./never-busy.ts";
import { trustAllowedNetworks } from "./trust-allowed-networks.ts";

/** A tracker without a network: the real service, on a clock that is moved by hand, that can die and come back. */
export class RouterTracker {
  readonly clock: FakeClock;
  /** Errors that nobody meant. A test that ends with any has found a defect. */
  readonly defects: LogEvent[] = [];
  /** Announces and locates that came while it was up. */
  calls = 0;
  /** Tries while it was away. */
  missed = 0;
  up = true;
  readonly #options: Partial<TrackerOptions>;
  #composed: ReturnType<typeof composeTracker>;
  /** By caller: ways to what is composed now. */
  readonly #transports = new Map<string, Transport>();

  constructor(clock = new FakeClock(), options: Partial<TrackerOptions> = {}) {
    this.clock = clock;
    this.#options = options;
    this.#composed = this.#compose();
  }

  get trackerId(): string {
    return this.#composed.store.trackerId;
  }

  get store() {
    return this.#composed.store;
  }

  /** What /metrics would say, in its text form. */
  metrics(): Promise<string> {
    return this.#composed.metrics.registry.metrics();
  }

  /** Comes back with nothing: what it knew is lost. */
  async restart(): Promise<void> {
    await this.close();
    this.#transports.clear();
    this.#composed = this.#compose();
    this.up = true;
  }

  close(): Promise<void> {
    return this.#composed.close();
  }

  /** A way to it for somebody at this address. */
  transport(caller = "127.0.0.1"): Transport {
    const transport = this.#transports.get(caller) ?? this.#transportOf(caller);
    this.#transports.set(caller, transport);
    return transport;
  }

  #transportOf(caller: string): Transport {
    return createRouterTransport(routesOf(this.#composed.services), {
      router: {
        interceptors: [
          reportErrors((line) => this.defects.push(line)),
          (next) => (request) => {
            request.contextValues.set(kCallerAddress, caller);
            return next(request);
          },
        ],
      },
    });
  }

  client(caller?: string): Client<typeof TrackerService> {
    return createClient(TrackerService, this.transport(caller));
  }

  /** As legacy peers and clients see it. */
  legacyClient(caller?: string): Client<typeof LegacyTrackerService> {
    return createClient(LegacyTrackerService, this.transport(caller));
  }

  /** As a peer or a downloader sees it, across its deaths. */
  remote(caller?: string): Tracker {
    const url = "http://127.0.0.1:50050";
    const reached = () => {
      if (!this.up) {
        this.missed++;
        throw new PiezaError("unavailable", "connection refused");
      }
      this.calls++;
      return remoteTracker({ url, transport: this.transport(caller) });
    };
    return {
      url,
      announce: async (announce, signal) => reached().announce(announce, signal),
      locate: async (swarm, signal) => reached().locate(swarm, signal),
    };
  }

  #compose() {
    const { clock } = this;
    // Nobody listens on a fake network: a test of reachability brings its own check.
    const reachability = trustAllowedNetworks;
    const own = { ...neverBusy, port: 0, clock, random: () => 0.5, reachability };
    const options = { ...own, ...this.#options };
    return composeTracker(options, sharedStore(options, RedisSwarmStore));
  }
}

/** An info hash for tests: 64 times the same digit. */
export function infoHash(digit: string): string {
  return digit.repeat(64);
}
