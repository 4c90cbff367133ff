import { setTimeout } from "node:timers/promises";
import { Bitfield } from "#core/base/bitfield.ts";

/** How often the tracker is asked. */
const POLL_MS = 250;

/** How many copies of the pieces of one torrent a tracker knew of at one moment. */
export interface CopiesSample {
  /** Since the watch began. */
  readonly atMs: number;
  /** By number of copies: how many pieces have so many. */
  readonly pieces: readonly number[];
  /** URLs of the peers that have at least one piece. */
  readonly holders: readonly string[];
  /** By URL: how many pieces each has. */
  readonly held: ReadonlyMap<string, number>;
}

/** What a tracker says of the copying of one torrent. */
export interface Copying {
  /** Pieces with too few copies, and pieces in orders under way. */
  readonly under: number;
  readonly ordered: number;
  readonly bytesCopied: number;
}

export interface WatchedTorrent {
  readonly trackerUrl: string;
  readonly fileName: string;
  readonly totalPieces: number;
  /** Whose copies count. Default: everybody's. */
  readonly counts?: ((url: string) => boolean) | undefined;
}

/** Asks a tracker again and again who has which pieces, as any downloader would, and keeps what it answered. */
export class CopiesWatch {
  readonly samples: CopiesSample[] = [];
  readonly #torrent: WatchedTorrent;
  readonly #startMs = performance.now();
  readonly #stop = new AbortController();
  readonly #polling: Promise<void>;

  constructor(torrent: WatchedTorrent) {
    this.#torrent = torrent;
    this.#polling = this.#poll();
  }

  get last(): CopiesSample | undefined {
    return this.samples.at(-1);
  }

  /** Milliseconds since the watch began. */
  get nowMs(): number {
    return performance.now() - this.#startMs;
  }

  /** The first sample from now on that fits. Fails, with the last one, after `timeoutMs`. */
  async until(
    what: string,
    fits: (sample: CopiesSample) => boolean,
    timeoutMs: number,
  ): Promise<CopiesSample> {
    const deadlineMs = performance.now() + timeoutMs;
    let seen = this.samples.length;
    while (performance.now() < deadlineMs) {
      for (; seen < this.samples.length; seen++) if (fits(this.samples[seen]!)) return this.samples[seen]!;
      await setTimeout(POLL_MS / 2);
    }
    throw new Error(`not ${what} within ${timeoutMs} ms, but ${JSON.stringify(this.last)}`);
  }

  /** Once nothing is being copied, and nothing lacks copies. Fails after `timeoutMs`. */
  async quiet(timeoutMs: number): Promise<Copying> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const copying = await this.#copying();
      if (copying && copying.under + copying.ordered === 0) return copying;
      if (performance.now() > deadlineMs)
        throw new Error(`still copying after ${timeoutMs} ms: ${JSON.stringify(copying)}`);
      await setTimeout(POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#polling;
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#sample().catch(() => {});
      await setTimeout(POLL_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Undefined while the tracker knows nobody who has the file. */
  async #copying(): Promise<Copying | undefined> {
    const { swarms = [] } = (await this.#ask("Scrape", {})) as { swarms?: readonly SwarmJson[] };
    const said = swarms.find(({ file_name }) => file_name === this.#torrent.fileName)?.replication;
    if (!said) return undefined;
    const { pieces_under_target: under = 0, pieces_ordered: ordered = 0, bytes_copied = 0 } = said;
    return { under, ordered, bytesCopied: Number(bytes_copied) };
  }

  /** Fails with what the tracker fails with. */
  async #ask(method: string, question: object): Promise<unknown> {
    const response = await fetch(`${this.#torrent.trackerUrl}/pieza.v1.TrackerService/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(question),
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(5_000)]),
    });
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  }

  async #sample(): Promise<void> {
    const { fileName, totalPieces, counts = () => true } = this.#torrent;
    // A tracker that knows of nobody yet fails, and is no sample: what it does not know is not lost.
    const answer = await this.#ask("LocatePieces", { file_name: fileName });
    const { peers = [] } = answer as { peers?: readonly PeerJson[] };
    const counted = peers.filter(({ url }) => counts(url));
    const have = counted.map((peer) => ({ url: peer.url, bitfield: bitfieldOf(peer, totalPieces) }));
    const pieces: number[] = [];
    for (let index = 0; index < totalPieces; index++) {
      const copies = have.filter(({ bitfield }) => bitfield.has(index)).length;
      while (pieces.length <= copies) pieces.push(0);
      pieces[copies]!++;
    }
    const held = new Map(
      have.flatMap(({ url, bitfield: { count } }) => (count > 0 ? [[url, count] as const] : [])),
    );
    this.samples.push({ atMs: this.nowMs, pieces, holders: [...held.keys()], held });
  }
}

/** Copies of the piece that has the fewest. */
export function fewest({ pieces }: CopiesSample): number {
  return pieces.findIndex((count) => count > 0);
}

/** Copies of the piece that has the most. */
export function most({ pieces }: CopiesSample): number {
  return pieces.length - 1;
}

interface SwarmJson {
  readonly file_name: string;
  readonly replication?: {
    readonly pieces_under_target?: number;
    readonly pieces_ordered?: number;
    readonly bytes_copied?: string;
  };
}

interface PeerJson {
  readonly url: string;
  readonly complete?: boolean;
  readonly bitfield?: string;
}

function bitfieldOf({ complete, bitfield = "" }: PeerJson, totalPieces: number): Bitfield {
  return complete
    ? Bitfield.full(totalPieces)
    : Bitfield.fromBytes(totalPieces, Buffer.from(bitfield, "base64"));
}
