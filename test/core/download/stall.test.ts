import { describe, expect, it } from "vitest";
import { playScene } from "../../simulation/flow-scene.ts";

const KIB = 1 << 10;
const honest = { rate: 512 * KIB, latencyMs: 20 };

describe("a peer that drips", () => {
  it("and is the only one is given up after 10 s, which the person is told, and is asked again", async () => {
    const reasons = new Set<string>();
    let asked = 0;
    const drip = { rate: () => (asked > 1 ? 512 * KIB : 1), latencyMs: 20 };
    const { tookMs, last } = await playScene(
      { seed: 1, pieces: 4, pieceLength: 256 * KIB, peers: [drip] },
      120_000,
      {
        look(download) {
          const { state, reason } = download.peek();
          asked = download.explain().peers[0]?.requests ?? 0;
          if (state === "waiting") reasons.add(reason.replace(/, again in .*/, ""));
        },
      },
    );
    expect([...reasons][0]).toMatch(
      /^no reachable peer has the 4 missing pieces; http:..peer-1.test backing off: no more than \d+ bytes of the piece in 10 s$/,
    );
    expect(tookMs).toBeLessThan(20_000);
    expect(last.peers[0]!.servedPieces).toBe(4);
  });

  it("from the middle of a piece is given up too", async () => {
    let now = 0;
    const turns = { rate: () => (now < 300 || now > 25_000 ? 512 * KIB : 1), latencyMs: 20 };
    const { tookMs } = await playScene(
      { seed: 1, pieces: 1, pieceLength: 1_024 * KIB, peers: [turns] },
      120_000,
      {
        look(_, at) {
          now = at;
        },
      },
    );
    expect(tookMs).toBeLessThan(30_000);
  });

  it("beside another one leaves no gap over 2 s", async () => {
    const peers = [{ rate: 1, latencyMs: 20 }, { rate: 1, latencyMs: 20 }, honest];
    const { longestGapMs, tookMs } = await playScene(
      { seed: 1, pieces: 8, pieceLength: 256 * KIB, peers },
      60_000,
    );
    expect(longestGapMs).toBeLessThan(2_000);
    expect(tookMs).toBeLessThan(6_000);
  });

  it("but brings 4 KiB in 10 s is waited for while nobody else is there", async () => {
    const slow = { rate: 500, latencyMs: 20 };
    const { last } = await playScene({ seed: 1, pieces: 1, pieceLength: 16 * KIB, peers: [slow] }, 60_000);
    expect(last.wastedBytes).toBe(0);
  });
});
