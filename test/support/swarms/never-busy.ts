/**
 * Options of a tracker that shares its process with a test. On a machine that does much else the event loop of both is
 * late, and a tracker that looks at it puts announces off: rightly, but that is not what the test is about.
 */
export const neverBusy = { loopDelayMs: () => 0 } as const;
