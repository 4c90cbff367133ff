import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import { piecesOfFiles, selectFiles } from "#core/torrent/selection.ts";
import { FakeSwarm } from "../../support/swarms/fake-swarm.ts";

const files = [
  { path: "01 Intro/notes.txt", length: 10 },
  { path: "01 Intro/slides.pdf", length: 25 },
  { path: "02 Más/empty.txt", length: 0 },
  { path: "02 Más/deep/er/notes.txt", length: 5 },
  { path: "README", length: 10 },
];

describe("selecting files", () => {
  const cases: Record<string, number[]> = {
    "1": [0],
    "1,3-5": [0, 2, 3, 4],
    " 2 , 2-3 ": [1, 2],
    "*.txt": [0, 2, 3],
    "notes.*": [0, 3],
    "01 Intro": [0, 1],
    "01 Intro/": [0, 1],
    "01*/*.pdf": [1],
    "02 M\u0061\u0301s/**": [2, 3],
    "**/notes.txt": [0, 3],
    "02 Más/*.txt": [2],
    README: [4],
    "?EADME": [4],
  };
  for (const [pattern, found] of Object.entries(cases)) {
    it(`"${pattern}" means ${found.map((index) => files[index]!.path).join(" and ")}`, () => {
      expect(selectFiles(files, [pattern])).toEqual(found);
    });
  }

  it("takes several patterns together, each file once", () => {
    expect(selectFiles(files, ["README", "*.txt", "1-2"])).toEqual([0, 1, 2, 3, 4]);
  });

  it.each(["0", "6", "3-2", "1-6", "1,,2", "*.mp3", "readme", "notes", "a(b"])('refuses "%s"', (pattern) => {
    expect(() => selectFiles(files, [pattern])).toThrow(/^select: /);
  });

  it("wants the pieces that the files touch, shared ones too, and none for an empty file", () => {
    const geometry = new PieceGeometry(50, 8);
    const of = (...selected: number[]) => [...piecesOfFiles(files, selected, geometry)];
    expect(of(0)).toEqual([0, 1]);
    expect(of(1)).toEqual([1, 2, 3, 4]);
    expect(of(2)).toEqual([]);
    expect(of(3, 4)).toEqual([4, 5, 6]);
    expect(of(0, 1, 2, 3, 4)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});

describe("a download of some pieces", () => {
  it("asks for these alone, counts these alone, and is complete with them", async () => {
    const swarm = new FakeSwarm({ pieces: 30 });
    swarm.add({ rate: 20_000 });
    const wanted = Bitfield.of(30, [3, 4, 5, 20, 29]);
    const download = swarm.download({}, { wanted });
    download.start();
    await swarm.until("complete", () => download.peek().state === "complete");
    expect([...swarm.asked].sort((a, b) => a - b)).toEqual([3, 4, 5, 20, 29]);
    expect(download.peek()).toMatchObject({
      totalPieces: 5,
      heldPieces: 5,
      totalBytes: 5_000,
      heldBytes: 5_000,
    });
    await download.stop();
  });

  it("is told others while it runs: what is not wanted any more is dropped, what is wanted now is fetched", async () => {
    const swarm = new FakeSwarm({ pieces: 30 });
    swarm.add({ rate: 1_000 });
    const download = swarm.download({ sequential: true }, { wanted: Bitfield.of(30, [0, 1, 2, 3, 4, 5]) });
    download.start();
    await swarm.until("two pieces", () => swarm.held.length === 2);
    expect(download.want(Bitfield.of(30, [0, 5, 28, 29]))).toBe(true);
    expect(download.peek()).toMatchObject({
      totalPieces: 4,
      heldPieces: 1,
      totalBytes: 4_000,
      heldBytes: 1_000,
    });
    await swarm.until("complete", () => download.peek().state === "complete");
    expect([...swarm.store.held]).toEqual([0, 1, 5, 28, 29]);
    expect(download.peek()).toMatchObject({ totalPieces: 4, heldPieces: 4, heldBytes: 4_000 });
    expect(download.want(Bitfield.full(30)), "after its end").toBe(false);
    await download.stop();
  });

  it("is complete when what is missing is not wanted any more", async () => {
    const swarm = new FakeSwarm({ pieces: 30 });
    swarm.add({ has: Bitfield.of(30, [3, 4]) });
    const download = swarm.download();
    download.start();
    await swarm.until("waiting", () => download.peek().state === "waiting");
    download.want(Bitfield.of(30, [4]));
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(download.peek()).toMatchObject({ totalPieces: 1, heldPieces: 1 });
    await download.stop();
  });

  it("is complete at once when they are held", async () => {
    const swarm = new FakeSwarm({ pieces: 30 });
    const download = swarm.download({}, { wanted: new Bitfield(30) });
    download.start();
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(swarm.tracker.located).toBe(0);
    await download.stop();
  });
});
