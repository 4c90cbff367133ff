/** Options of a download. Undefined means the default; zero means zero. */
export interface DownloadOptions {
  /** Requests under way at one peer, at least 1; a function returns it for the peer at `url`. Default 16. */
  maxInFlightPerPeer?: number | ((url: string) => number);
  /** Bytes requested and not yet stored, over all peers, at least a piece: bounds the memory. Default 32 MiB. */
  maxInFlightBytes?: number;
  /** Requests pieces in order instead of rarest first. Default false. */
  sequential?: boolean;
  /**
   * First pause after a peer failed, doubled by every failure in a row. While no peer gives anything, a peer that did
   * not ask for its pause is asked again within 2 s, 30 times, and when the tracker names it anew. Default 500 ms.
   */
  backOffMinMs?: number;
  /** Longest pause after a peer failed. Default 30,000 ms. */
  backOffMaxMs?: number;
  /** How soon a peer that gains pieces is asked for its bitfield again; later in large swarms. Default 500 ms. */
  bitfieldPollMinMs?: number;
  /** The longest such pause for a peer that gains nothing: its pause doubles. Default 4,000 ms. */
  bitfieldPollMaxMs?: number;
  /**
   * How long a peer that said "not here" is not asked for that piece; nor for any piece, if it has given nothing yet
   * and still says that it has that one. Default 60,000 ms.
   */
  lacksMs?: number;
  /** Shortest time between two calls of a subscriber. Default 100 ms. */
  snapshotMs?: number;
}

/** The values of options that are left out. */
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
