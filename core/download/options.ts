/** How a download behaves. Undefined means the default; zero means zero. */
export interface DownloadOptions {
  /**
   * Requests under way at one peer: at least 1; or what tells that of the peer at `url`, as where one protocol allows
   * fewer than another. Default 16.
   */
  maxInFlightPerPeer?: number | ((url: string) => number);
  /**
   * Bytes requested and not yet stored, over all peers: what bounds the download's memory. At least one piece is always
   * allowed. Default 32 MiB.
   */
  maxInFlightBytes?: number;
  /** Pieces in order instead of rarest first. Default false. */
  sequential?: boolean;
  /**
   * First pause after a peer failed; doubled by every further failure. While nobody gives anything, one that did not ask
   * for its pause is asked again within 2 s, 30 times, and when the tracker names it anew. Default 500 ms.
   */
  backOffMinMs?: number;
  /** Longest pause after a peer failed. Default 30,000 ms. */
  backOffMaxMs?: number;
  /**
   * How soon an incomplete peer that has gained pieces is asked for its bitfield again; later where there are many.
   * Default 500 ms.
   */
  bitfieldPollMinMs?: number;
  /** The same for one that gains nothing: the pause is doubled up to this. Default 4,000 ms. */
  bitfieldPollMaxMs?: number;
  /**
   * How long a peer that said "not here" is not asked for that piece again; and for none, if it has given nothing yet and
   * goes on saying that it has it. Default 60,000 ms.
   */
  lacksMs?: number;
  /** Shortest time between two snapshots that subscribers are told of. Default 100 ms. */
  snapshotMs?: number;
}

/** What an option that is left out means. */
export const downloadDefaults = {
  maxInFlightPerPeer: 16,
  maxInFlightBytes: 32 << 20,
  sequential: false,
  backOffMinMs: 500,
  backOffMaxMs: 30_000,
  bitfieldPollMinMs: 500,
  bitfieldPollMaxMs: 4_000,
  lacksMs: 60_000,
  snapshotMs: 100,
} satisfies Required<DownloadOptions>;

export function resolveDownloadOptions(options: DownloadOptions = {}): Required<DownloadOptions> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...downloadDefaults, ...Object.fromEntries(given) };
}
