import type { Sabotage } from "./sabotage.ts";

/** Of downloads that nobody gives anything. */
export const sabotagesOfWaiting: readonly Sabotage[] = [
  {
    what: "the last holder is given the pause of one of many",
    file: "core/swarm.ts",
    find: "lone ? Math.min(pauseMs, LONE_PAUSE_MS * spread) : pauseMs",
    replace: "pauseMs",
    test: "test/faults/swarm-faults.test.ts",
    name: "after 5 s used again",
  },
  {
    what: "a peer that the tracker names again is not asked",
    file: "core/swarm.ts",
    find: "soonMs: this.#input.clock.now() };",
    replace: "soonMs: peer.standing.soonMs };",
    test: "test/faults/swarm-faults.test.ts",
    name: "after 300 s used again",
  },
];
