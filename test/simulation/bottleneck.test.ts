import { describe, expect, it } from "vitest";
import { type FlowScene, playScene } from "./flow-scene.ts";

const MIB = 1 << 20;
const MINUTE_MS = 60_000;
const LINK = 2_500_000;

/** 32 pieces of 1 MiB: 13.4 s at 2.5 MB/s. */
function scene(peers: FlowScene["peers"], receiverRate?: number): FlowScene {
  return { seed: 1, pieces: 32, pieceLength: MIB, peers, receiverRate };
}

const of = (count: number, rate: number, latencyMs = 20) =>
  Array.from({ length: count }, () => ({ rate, latencyMs }));

describe("fast peers behind one slow link", () => {
  it.each([2, 8, 20, 50])(
    "%i of them bring a piece every 2 s, as soon as one would bring all",
    async (count) => {
      const { tookMs, longestGapMs, last } = await playScene(scene(of(count, 20 * MIB), LINK), MINUTE_MS);
      expect(longestGapMs).toBeLessThan(2_000);
      expect(tookMs).toBeLessThan(1.03 * ((32 * MIB * 1_000) / LINK));
      expect(last.wastedBytes).toBeLessThan(MIB);
    },
  );

  it("that are far away bring one every 2.5 s", async () => {
    const { tookMs, longestGapMs } = await playScene(scene(of(8, 20 * MIB, 150), LINK), MINUTE_MS);
    expect(longestGapMs).toBeLessThan(2_500);
    expect(tookMs).toBeLessThan(1.06 * ((32 * MIB * 1_000) / LINK));
  });
});

describe("peers that are slow themselves", () => {
  it("are all asked: together they bring what their links can carry", async () => {
    const { tookMs } = await playScene(scene(of(8, LINK / 8)), MINUTE_MS);
    expect(tookMs).toBeLessThan(1.1 * ((32 * MIB * 1_000) / LINK));
  });

  it("do not keep a fast one waiting", async () => {
    const peers = [...of(7, 50_000), ...of(1, LINK)];
    const { tookMs, longestGapMs } = await playScene(scene(peers), MINUTE_MS);
    expect(longestGapMs).toBeLessThan(2_000);
    expect(tookMs).toBeLessThan(1.1 * ((32 * MIB * 1_000) / LINK));
  });
});

it("fast peers behind a fast link are all asked at once", async () => {
  const { tookMs } = await playScene(scene(of(8, 20 * MIB)), MINUTE_MS);
  expect(tookMs).toBeLessThan(2 * ((32 * MIB * 1_000) / (8 * 20 * MIB)));
});
