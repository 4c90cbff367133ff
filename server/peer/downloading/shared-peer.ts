import type { PeerOptions, RunningPeer } from "../peer.ts";

export type SharedPeerOptions = Omit<PeerOptions, "onStatus">;

/** One peer that serves what several downloads have got so far. Started, and loaded, by the first that needs it. */
export class SharedPeer {
  readonly #options: SharedPeerOptions;
  /** URLs under which trackers know it. */
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

  /** Whether a peer that a tracker names is this one. */
  isSelf(url: string): boolean {
    return this.#own.has(url);
  }

  /** Lets others get what they have asked for, and closes. */
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

  /** Undefined if it was never started, or could not be. */
  async #started(): Promise<RunningPeer | undefined> {
    return this.#starting?.catch(() => undefined);
  }
}
