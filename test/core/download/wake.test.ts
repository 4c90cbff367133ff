import { expect, it } from "vitest";
import { PeerFailed } from "#core/base/errors.ts";
import { FakeSwarm } from "../../support/swarms/fake-swarm.ts";

it("a download that is woken asks peers again that it had given a long pause", async () => {
  const swarm = new FakeSwarm({ pieces: 8 });
  const peer = swarm.add();
  peer.vanish(new PeerFailed("unavailable", "away", { retryAfterMs: 30_000 }));
  const download = swarm.download();
  download.start();
  await swarm.until("backing off", () => download.peek().peers[0]?.state === "backing off");
  const pausedAtMs = swarm.clock.now();
  peer.comeBack();
  download.wake();
  await swarm.until("complete", () => download.peek().state === "complete");
  expect(swarm.clock.now() - pausedAtMs).toBeLessThan(15_000);
  await download.stop();
});
