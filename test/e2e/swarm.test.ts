import { afterEach, describe, expect, it } from "vitest";
import { downloadDefaults } from "#core/options.ts";
import { LocalSwarm, metric, sent, sha256sum, writeRandomFile } from "../support/local-swarm.ts";
import type { PiezaProcess } from "../support/pieza-process.ts";

const MiB = 1 << 20;

/** Each holds half of 256 pieces, another half than the others; every piece has two holders. */
const halves = { a: "1-128", b: "65-192", c: "129-256", d: "1-64,193-256" };

/** Pieces of 1 MiB that a download may have under way. */
const mostInFlight = downloadDefaults.maxInFlightBytes / MiB;

/** How many pieces of 1 MiB a peer has sent, by its own /metrics. */
async function piecesSent(peer: PiezaProcess): Promise<number> {
  return (await metric(await peer.url(), "pieza_piece_bytes_sent_total")) / MiB;
}

describe("256 MiB from four peers, each with another half", () => {
  let swarm: LocalSwarm;
  afterEach(() => swarm.stop());

  async function startFour(): Promise<PiezaProcess[]> {
    swarm = await LocalSwarm.start();
    await writeRandomFile(swarm.path("big.bin"), 256 * MiB);
    await swarm.publish("big.bin");
    const peers: PiezaProcess[] = [];
    for (const [name, pieces] of Object.entries(halves))
      peers.push(await swarm.peer(name, "big.bin", pieces));
    return peers;
  }

  it.each(["grpc", "connect"])(
    "arrive over %s although one is killed with -9 in the middle",
    async (transport) => {
      const [victim, ...living] = (await startFour()) as [PiezaProcess, ...PiezaProcess[]];
      const flags = ["-o", swarm.path("got.bin"), "--transport", transport, ...swarm.trackerFlag];
      const get = swarm.run("leecher", ["get", swarm.path("big.bin.json"), ...flags]);

      await victim.until("8 pieces sent", () => sent(victim).length >= 8);
      victim.kill("SIGKILL");
      await victim.exit;
      const before = living.flatMap(sent).length;
      expect(await get.finished(120_000), get.text).toBe(0);

      expect(await sha256sum(swarm.path("got.bin"))).toBe(await sha256sum(swarm.path("big.bin")));
      const counts = await Promise.all(living.map(piecesSent));
      expect(Math.min(...counts), "pieces from the peer that sent fewest").toBeGreaterThan(0);
      const after = counts.reduce((sum, count) => sum + count) - before;
      expect(after, "pieces sent after the kill").toBeGreaterThan(0);
      const twice = sent(victim).length + before + after - 256;
      expect(twice, "pieces sent more than once").toBeLessThanOrEqual(mostInFlight);
    },
  );
});
