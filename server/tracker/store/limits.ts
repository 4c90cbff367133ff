/** Limits of one tracker: what it remembers, for how long, and how often its peers should call. */
export interface TrackerLimits {
  /** A lease ends this long after its last announce. Default 30 s. */
  readonly leaseMs: number;
  /** How often a volunteer should announce, so that orders reach it soon; with jitter. Default 4 s. */
  readonly volunteerMs: number;
  /** How often any other peer should announce; with jitter. Default 10 s. */
  readonly heartbeatMs: number;
  /** An announce interval varies by up to this part of itself in either direction. Default 0.2. */
  readonly heartbeatJitter: number;
  /** A legacy peer sends no heartbeat: its lease ends this long after it registered or last answered. Default 1 h. */
  readonly legacyLeaseMs: number;
  /** How often the tracker asks each legacy peer for a piece. A new peer is asked sooner too. Default 30 s. */
  readonly legacyProbeMs: number;
  /** Peers that the tracker dials at the same time. Default 64. */
  readonly maxDials: number;
  /** How often a downloader should call LocatePieces. Default 5 s. */
  readonly locateMs: number;
  /** Live leases. Default 50,000; a running tracker computes it from its memory. */
  readonly maxLeases: number;
  /**
   * Live leases from one source address (one /64 for IPv6). The machines of a building may share an address, and a
   * crowd of this size cannot push other peers out of an answer (see TableWindows). Default 256.
   */
  readonly maxLeasesPerAddress: number;
  /** Live swarms. Default 100,000; a running tracker computes it from its memory. */
  readonly maxSwarms: number;
  /** Torrents that one lease may take part in. Default 1,024. */
  readonly maxTorrentsPerLease: number;
  /** Bytes of all bitfields and their objects. Default 256 MiB; a running tracker computes it from its memory. */
  readonly maxStateBytes: number;
}

export const defaultTrackerLimits: TrackerLimits = {
  leaseMs: 30_000,
  volunteerMs: 4_000,
  heartbeatMs: 10_000,
  heartbeatJitter: 0.2,
  legacyLeaseMs: 3_600_000,
  legacyProbeMs: 30_000,
  maxDials: 64,
  locateMs: 5_000,
  maxLeases: 50_000,
  maxLeasesPerAddress: 256,
  maxSwarms: 100_000,
  maxTorrentsPerLease: 1_024,
  maxStateBytes: 256 << 20,
};
