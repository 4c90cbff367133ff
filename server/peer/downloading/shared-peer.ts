import type { PeerOptions, RunningPeer } from "../peer.ts";

export type SharedPeerOptions = Omit<PeerOptions, "onStatus">;

/** One peer that serves the pieces of several downloads. The first download that needs it loads and starts it. */
export class SharedPeer {
  readonly #options: SharedPeerOptions;
  /** URLs under which trackers list this peer. */
  readonly #own = new Set<string>();
  #starting: Promise<RunningPeer> | undefined;

  constructor(options: SharedPeerOptions) {
    this.#options = options;
  }

  /** Fails as startPeer does. */
  start(): Promise<RunningPeer> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Whether `url`, named by a tracker, is this peer. */
  isSelf(url: string): boolean {
    return this.#own.has(url);
  }

  /** Answers the requests that other peers have made, then closes. */
  async drain(): Promise<void> {
    await (await this.#started())?.drain();
  }

  async close(): Promise<void> {
    await (await this.#started())?.close();
  }

  async #start(): Promise<RunningPeer> {
    const { startPeer } = await import("../peer.ts");
    const peer = await startPeer({
      ...this.#options,
      onStatus: (_, { url }) => {
        if (url) this.#own.add(url);
      },
    });
    this.#own.add(peer.url);
    return peer;
  }

  /** Undefined if the peer was never started or failed to start. */
  async #started(): Promise<RunningPeer | undefined> {
    return this.#starting?.catch(() => undefined);
  }
}
