import { expect, it } from "vitest";
import { RateLimit } from "#core/base/rate-limit.ts";
import { FakeSwarm } from "../../support/swarms/fake-swarm.ts";
import { start } from "../../support/swarms/running-download.ts";

it("a peer that gives pieces at the download's own limit is active between two of them, and has its rate", async () => {
  const swarm = new FakeSwarm({ pieces: 10, pieceLength: 10_000 });
  swarm.add();
  const download = start(swarm, {}, { limit: new RateLimit(1_000, swarm.clock) });
  await swarm.until("two pieces", () => download.peek().heldPieces === 2);
  for (let n = 0; n < 60; n++) {
    await swarm.clock.tick(250);
    const { state, rate, peers } = download.peek();
    expect(state).toBe("downloading");
    expect(peers[0]).toMatchObject({ state: "active" });
    for (const each of [rate, peers[0]!.rate]) {
      expect(each).toBeGreaterThan(900);
      expect(each).toBeLessThan(1_100);
    }
  }
});
