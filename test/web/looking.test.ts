import type uPlot from "uplot";
import { describe, expect, it } from "vitest";
import { type DownloadSnapshot, type PeerSnapshot, PieceMap } from "#core/download/snapshot.ts";
import { formatsFor } from "../../web/src/base/format.ts";
import { noNews } from "../../web/src/base/no-news.ts";
import { numberRanges, Timeline } from "../../web/src/base/timeline.ts";
import { LongHistory } from "../../web/src/downloads/long-history.ts";
import { makePlot } from "../../web/src/downloads/rate-plot.ts";
import { nextName } from "../../web/src/publishing/publication-status.ts";
import { availabilityOf, WatchedSwarm } from "../../web/src/swarm/watched-swarm.svelte.ts";

function peer(slot: number, more: Partial<PeerSnapshot> = {}): PeerSnapshot {
  const counts = { hasPieces: 8, servedPieces: 0, servedBytes: 0, inFlight: 0, rate: 0 };
  const url = `http://peer-${slot}`;
  return {
    slot,
    url,
    transport: "grpc-web",
    state: "active",
    reason: "",
    trouble: undefined,
    ...counts,
    ...more,
  };
}

function snapshot(elapsedMs: number, more: Partial<DownloadSnapshot> = {}): DownloadSnapshot {
  return {
    state: "downloading",
    reason: "",
    trouble: undefined,
    promising: true,
    located: true,
    totalPieces: 8,
    heldPieces: 0,
    totalBytes: 800,
    heldBytes: 0,
    downloadedBytes: 0,
    wastedBytes: 0,
    rate: 0,
    etaMs: undefined,
    elapsedMs,
    peers: [],
    pieceMap: new Uint16Array(8),
    ...more,
  } as DownloadSnapshot;
}

describe("a timeline", () => {
  it("tells who gave which pieces, who failed and why, and how it ended", () => {
    const timeline = new Timeline();
    const map = new Uint16Array(8);
    map[7] = PieceMap.HELD_BEFORE;
    timeline.add(snapshot(0, { state: "starting", pieceMap: map.slice() }));
    map.set([PieceMap.from(0), PieceMap.from(0), PieceMap.inFlight(1)]);
    timeline.add(snapshot(1_000, { peers: [peer(0), peer(1)], pieceMap: map.slice() }));
    map.set([PieceMap.from(0)], 4);
    const failed = peer(1, { state: "backing off", reason: "cannot be reached" });
    timeline.add(snapshot(2_000, { peers: [peer(0, { state: "idle" }), failed], pieceMap: map.slice() }));
    timeline.add(snapshot(9_000, { peers: [peer(0), peer(1, { state: "idle" })], pieceMap: map.slice() }));
    timeline.add(snapshot(60_000, { state: "complete", peers: [peer(0), peer(1)], pieceMap: map.slice() }));
    expect(timeline.entries).toEqual([
      { kind: "state", atMs: 0, state: "starting", reason: "" },
      { kind: "peer", atMs: 1_000, slot: 0, url: "http://peer-0", standing: "answering", reason: "" },
      { kind: "peer", atMs: 1_000, slot: 1, url: "http://peer-1", standing: "answering", reason: "" },
      { kind: "pieces", atMs: 1_000, slot: 0, url: "http://peer-0", numbers: [1, 2, 5] },
      { kind: "state", atMs: 1_000, state: "downloading", reason: "" },
      {
        kind: "peer",
        atMs: 2_000,
        slot: 1,
        url: "http://peer-1",
        standing: "backing off",
        reason: "cannot be reached",
      },
      { kind: "peer", atMs: 9_000, slot: 1, url: "http://peer-1", standing: "asked again", reason: "" },
      { kind: "state", atMs: 60_000, state: "complete", reason: "" },
    ]);
  });

  it("begins anew when the engine does, and never grows without end", () => {
    const timeline = new Timeline();
    for (let n = 0; n < 1_000; n++) {
      timeline.add(snapshot(n * 1_000, { state: n % 2 === 0 ? "waiting" : "downloading" }));
    }
    expect(timeline.entries.length).toBeLessThanOrEqual(400);
    timeline.add(snapshot(0, { state: "starting" }));
    expect(timeline.entries).toHaveLength(1);
  });

  it("writes numbers as ranges", () => {
    expect(numberRanges([9, 1, 2, 3, 5])).toEqual([
      [1, 3],
      [5, 5],
      [9, 9],
    ]);
  });
});

describe("rates over time", () => {
  it("have one value a second, and null for a peer before it was met", () => {
    const history = new LongHistory();
    history.add(snapshot(100, { rate: 1, peers: [peer(0, { rate: 1 })] }));
    history.add(snapshot(900, { rate: 2, peers: [peer(0, { rate: 2 })] }));
    history.add(snapshot(1_100, { rate: 5, peers: [peer(0, { rate: 2 }), peer(1, { rate: 3 })] }));
    history.add(snapshot(1_200, { state: "complete" }));
    expect(history.columns(2)).toEqual([
      [0, 1],
      [1.5, 5],
      [1.5, 2],
      [null, 3],
    ]);
  });

  it("has a column for every line of the plot, also of a peer that came when all was over, and no more", () => {
    const history = new LongHistory();
    history.add(snapshot(2_100, { rate: 1, peers: [peer(0, { rate: 1 })] }));
    history.add(snapshot(3_100, { state: "complete", peers: [peer(0), peer(1)] }));
    expect(history.columns(2)).toEqual([[2], [1], [1], []]);
    expect(history.columns(0)).toEqual([[2], [1]]);
    // The engine was started anew.
    history.add(snapshot(100, { rate: 3, peers: [] }));
    expect(history.columns(1)).toEqual([[0], [3], []]);
  });

  it("are drawn with a peer that came when all was over", async () => {
    const history = new LongHistory();
    history.add(snapshot(100, { rate: 1, peers: [peer(0, { rate: 1 })] }));
    history.add(snapshot(1_100, { state: "complete", peers: [peer(0), peer(1)] }));
    const plot = await makePlot(document.body, {
      width: 300,
      height: 100,
      peers: 2,
      format: formatsFor("en"),
      total: "",
    });
    plot.setData(history.columns(2) as unknown as uPlot.AlignedData);
    // It draws in a later turn, where what is thrown ends the page's script, and fails this run.
    const drawn = Promise.withResolvers<void>();
    plot.hooks.draw = [() => drawn.resolve()];
    await drawn.promise;
    plot.destroy();
  });

  it("of two hours fit a plot, their mean unchanged", () => {
    const history = new LongHistory();
    for (let second = 0; second < 7_200; second++) {
      history.add(snapshot(second * 1_000, { rate: second % 2, peers: [] }));
    }
    const [seconds, total] = history.columns(0);
    expect(seconds.length).toBeLessThanOrEqual(480);
    expect(seconds.length).toBe(total!.length);
    const mean = total!.slice(0, 200).reduce((sum: number, rate) => sum + rate!, 0) / 200;
    expect(mean).toBeGreaterThan(0.4);
    expect(mean).toBeLessThan(0.6);
  });
});

describe("a swarm that is watched", () => {
  const news = (heldPieces: number) => ({
    ...noNews,
    infoHash: "",
    peers: [{ url: "http://a", heldPieces, draining: false, listed: true, zone: "", volunteer: false }],
    problem: undefined,
  });

  it("tells how many pieces a leecher gets in a second", () => {
    const swarm = new WatchedSwarm();
    swarm.take(news(10), 0);
    expect(swarm.piecesPerSecond("http://a")).toBe(0);
    swarm.take(news(20), 2_000);
    expect(swarm.piecesPerSecond("http://a")).toBe(5);
    expect(swarm.piecesPerSecond("http://b")).toBe(0);
  });

  it.each([
    [[], 0, 0],
    [[2, 0, 4], 0, 2],
    [[1, 2], 1, 1.5],
  ])("of copies %j the rarest has %d, the mean is %d", (copies, rarest, mean) => {
    expect(availabilityOf(Uint16Array.from(copies))).toEqual({ rarest, mean });
  });
});

describe("another name for one that is taken", () => {
  it.each([
    ["notes.txt", "notes (2).txt"],
    ["notes (2).txt", "notes (3).txt"],
    ["notes", "notes (2)"],
    [".profile", ".profile (2)"],
    ["a.tar.gz", "a.tar (2).gz"],
    ["(2)", "(2) (2)"],
  ])("%s becomes %s", (name, next) => {
    expect(nextName(name)).toBe(next);
  });
});
