/** What one tracker is willing to remember, and for how long. */
export interface TrackerLimits {
  /** A lease ends so long after its last announce. Default 30 s. */
  readonly leaseMs: number;
  /** How often a volunteer should, so that orders reach it soon; spread likewise. Default 4 s. */
  readonly volunteerMs: number;
  /** How often a peer should announce; the answer spreads it by `heartbeatJitter`. Default 10 s. */
  readonly heartbeatMs: number;
  /** Part of the heartbeat by which an answer may differ from it either way. Default 0.2. */
  readonly heartbeatJitter: number;
  /** A seed peer's lease, which has no heartbeat: from its registration, or the last time it answered. Default 1 h. */
  readonly legacyLeaseMs: number;
  /** How often every seed peer is asked whether it is still there; a new one for the first time after two such times. Default 30 s. */
  readonly legacyProbeMs: number;
  /** Peers that the tracker dials at one time. Default 64. */
  readonly maxDials: number;
  /** How often a downloader should ask where pieces are. Default 5 s. */
  readonly locateMs: number;
  /** Live leases. Default 50,000; a running tracker has it from its memory, as the next two that say so. */
  readonly maxLeases: number;
  /**
   * Live leases from one source address (one /64 for IPv6): a building's machines may share one, and a crowd of so many
   * hides nobody from an answer (see TableWindows). Default 256.
   */
  readonly maxLeasesPerAddress: number;
  /** Live swarms. Default 100,000, or from the memory. */
  readonly maxSwarms: number;
  /** Torrents that one lease may take part in. Default 1,024. */
  readonly maxTorrentsPerLease: number;
  /** Bytes of bitfields and of what surrounds them, over all peers and torrents. Default 256 MiB, or from the memory. */
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
