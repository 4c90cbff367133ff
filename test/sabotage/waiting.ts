import type { Sabotage } from "./sabotage.ts";

/** Of downloads that nobody gives anything. */
export const sabotagesOfWaiting: readonly Sabotage[] = [
  {
    what: "the last holder is given the pause of one of many",
    file: "core/download/swarm.ts",
    find: "Math.min(pauseMs, LONE_PAUSE_MS * spread)",
    replace: "pauseMs",
    test: "test/faults/swarm-faults.test.ts",
    name: "after 5 s used again",
  },
  {
    what: "a peer that the tracker names again is not asked",
    file: "core/download/swarm.ts",
    find: "if (peer && this.#named?.has(named.url) === false) this.#onBack(peer);",
    replace: "",
    test: "test/faults/swarm-faults.test.ts",
    name: "after 300 s used again",
  },
  {
    what: "a peer that asked for a pause is asked again at once",
    file: "core/download/swarm.ts",
    find: 'if (known?.code === "resource_exhausted" || known?.retryAfterMs !== undefined)',
    replace: 'if (known?.code === "resource_exhausted")',
    test: "test/core/download/waiting.test.ts",
    name: "that asked for a pause gets it",
  },
];
