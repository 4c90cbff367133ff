import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { type DownloadSnapshot, type PeerSnapshot, PieceMap } from "#core/download/snapshot.ts";
import { Output } from "../../../../server/cli/line/output.ts";
import { ProgressBoard, type Watched } from "../../../../server/cli/line/progress.ts";
import {
  type Coloured,
  doneLine,
  headLine,
  type PictureLine,
  pieceBar,
  progressLines,
} from "../../../../server/cli/line/progress-lines.ts";
import { SteadyEta } from "../../../../server/cli/line/steady-eta.ts";
import { displayWidth, table, truncate } from "../../../../server/cli/line/table.ts";

function peer(slot: number, rest: Partial<PeerSnapshot> = {}): PeerSnapshot {
  const url = `http://127.0.0.1:${50_051 + slot}`;
  const counts = { hasPieces: 4, servedPieces: 0, servedBytes: 0, inFlight: 1, rate: 0 };
  return {
    slot,
    url,
    transport: "grpc",
    state: "active",
    reason: "",
    trouble: undefined,
    ...counts,
    ...rest,
  };
}

function snapshot(rest: Partial<DownloadSnapshot> = {}): DownloadSnapshot {
  return {
    state: "downloading",
    reason: "",
    trouble: undefined,
    promising: true,
    located: true,
    totalPieces: 8,
    heldPieces: 4,
    totalBytes: 8 << 20,
    heldBytes: 4 << 20,
    downloadedBytes: 4 << 20,
    wastedBytes: 0,
    rate: 1 << 20,
    etaMs: 4_000,
    elapsedMs: 4_000,
    peers: [peer(0), peer(1)],
    pieceMap: Uint16Array.of(1, 3, 3, 5, 0, 0, 2, 0),
    ...rest,
  };
}

const plain = { columns: 80, colour: false };

const partsOf = (line: PictureLine) => (typeof line === "string" ? [line] : line);
const textOf = (line: PictureLine) =>
  partsOf(line)
    .map((part) => (typeof part === "string" ? part : part.text))
    .join("");
const colourOf = (line: PictureLine) =>
  partsOf(line).find((part): part is Coloured => typeof part !== "string")!.colour;

describe("the picture of a download", () => {
  it("shows every piece in order: held, on its way, missing", () => {
    expect(textOf(pieceBar(snapshot(), { columns: 8 + 5, colour: false }))).toBe("  ▕████  · ▏");
  });

  it("fills a cell as far as its pieces are held", () => {
    const pieceMap = Uint16Array.of(3, 3, 3, 3, 3, 3, 3, 0, 3, 0, 0, 0, 0, 0, 0, 0);
    expect(textOf(pieceBar(snapshot({ pieceMap }), { columns: 4 + 5, colour: false }))).toBe("  ▕█▓░ ▏");
  });

  it("gives a piece the colour of the peer that it came from, as the list of peers does", () => {
    const canvas = { columns: 8 + 5, colour: true };
    const pieceMap = Uint16Array.of(PieceMap.from(1), 0, 0, 0, 0, 0, 0, 0);
    const [, , ...peers] = progressLines("f", snapshot({ pieceMap }), undefined, canvas);
    const ofPiece = colourOf(pieceBar(snapshot({ pieceMap }), canvas));
    expect(peers.map((line) => colourOf(line) === ofPiece)).toEqual([false, true]);
  });

  it.each([20, 40, 80, 200])("is never wider than %d columns, so that it can be drawn over", (columns) => {
    const many = Array.from({ length: 12 }, (_, slot) =>
      peer(slot, { reason: "长\u200b\u001b[2J".repeat(100) }),
    );
    const full = snapshot({ peers: many, reason: "no peer ".repeat(50), state: "waiting" });
    const lines = progressLines("文件".repeat(60), full, 4_000, { columns, colour: false });
    expect(lines.length).toBe(1 + 1 + 1 + 8 + 1);
    for (const line of lines) expect(displayWidth(textOf(line))).toBeLessThan(columns);
  });

  it("says what it waits for, and nothing of rates then", () => {
    const lines = progressLines("f", snapshot({ state: "waiting", reason: "no peer", peers: [] }), 1, plain);
    expect(lines).toEqual(["f   50 %  4.0 MiB of 8.0 MiB  waiting", expect.anything(), "  no peer"]);
  });

  it("says 100 % when the last piece is held, not before", () => {
    const almost = snapshot({ heldPieces: 7, heldBytes: (8 << 20) - 1 });
    expect(headLine("f", almost, undefined)).toContain(" 99 %");
    const empty = snapshot({ totalPieces: 1, heldPieces: 0, totalBytes: 0, heldBytes: 0 });
    expect(headLine("f", empty, undefined)).toContain("  0 %");
    expect(headLine("f", { ...empty, heldPieces: 1 }, undefined)).toContain("100 %");
  });
});

it("the last line has bytes, time, mean rate, peers used and waste", () => {
  const used = [peer(0, { servedPieces: 3 }), peer(1, { servedPieces: 1 }), peer(2)];
  const last = snapshot({ state: "complete", heldBytes: 8 << 20, wastedBytes: 2_048, peers: used });
  expect(doneLine("f", last)).toBe(
    "f: 8.0 MiB in 4.0 s, 1.0 MiB/s, from 2 peers, 4.0 MiB had been downloaded before, 2.0 KiB wasted",
  );
});

describe("the time left", () => {
  it("runs down evenly although the estimates jump up and down", () => {
    const eta = new SteadyEta();
    let shown = eta.update(60_000, 0)!;
    for (let second = 1; second <= 30; second++) {
      const estimate = (60 - second) * 1_000 * (second % 2 ? 1.5 : 0.7);
      const next = eta.update(estimate, second * 1_000)!;
      expect(Math.abs(shown - next)).toBeLessThan(12_000);
      shown = next;
    }
    expect(shown).toBeGreaterThan(20_000);
    expect(shown).toBeLessThan(40_000);
  });

  it("follows at once when the estimate is another one altogether", () => {
    const eta = new SteadyEta();
    eta.update(5_000, 0);
    expect(eta.update(600_000, 100)).toBe(600_000);
  });

  it("is forgotten while nothing comes", () => {
    const eta = new SteadyEta();
    eta.update(5_000, 0);
    expect(eta.update(undefined, 100)).toBeUndefined();
    expect(eta.update(9_000, 200)).toBe(9_000);
  });
});

describe("tables", () => {
  it("line up names of any script", () => {
    const rows = [
      ["课程", "1"],
      ["a", "22"],
      ["Introducción", "333"],
    ];
    expect(table(rows, [1])).toEqual(["课程            1", "a              22", "Introducción  333"]);
  });

  it("lets one long cell widen its own row only", () => {
    const long = "x".repeat(300);
    expect(
      table([
        ["a", "1"],
        [long, "2"],
        ["bcd", "3"],
      ]),
    ).toEqual(["a    1", `${long}  2`, "bcd  3"]);
  });

  it("cut by columns, not by letters", () => {
    expect(truncate("课程课程", 5)).toBe("课程…");
    expect(truncate("abcde", 5)).toBe("abcde");
  });
});

/** A terminal, or a file, that remembers what was written. */
class Screen extends Writable {
  text = "";
  readonly isTTY: boolean;
  readonly columns = 60;

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** A download that says what the test says. */
class Told implements Watched {
  #snapshot = snapshot();
  readonly #subscribers = new Set<() => void>();

  peek(): DownloadSnapshot {
    return this.#snapshot;
  }

  subscribe(fn: () => void): () => void {
    this.#subscribers.add(fn);
    return () => this.#subscribers.delete(fn);
  }

  says(rest: Partial<DownloadSnapshot>): void {
    this.#snapshot = snapshot(rest);
    for (const tell of this.#subscribers) tell();
  }
}

describe("progress", () => {
  function show(isTTY: boolean, json = false) {
    const [stdout, stderr] = [new Screen(isTTY), new Screen(isTTY)];
    const out = new Output({ json, quiet: false, verbose: false, stdout, stderr });
    const download = new Told();
    const stop = new ProgressBoard(out, { noProgress: false }).show(
      { fileName: "f", infoHash: "f0" },
      download,
    );
    return { stdout, stderr, out, download, stop };
  }

  it("on a terminal takes its picture away before anything else is printed, and at the end", () => {
    const { stderr, out, download, stop } = show(true);
    download.says({ state: "starting", peers: [] });
    expect(stderr.text.split("\n")).toHaveLength(3);
    out.warn("careful");
    expect(stderr.text.endsWith("\x1b[2A\x1b[0Jpieza: warning: careful\n")).toBe(true);
    download.says({ state: "downloading", peers: [] });
    stop();
    expect(stderr.text.endsWith("\x1b[2A\x1b[0J")).toBe(true);
  });

  it("elsewhere is a line when the state changes, without any escape", () => {
    const { stderr, download, stop } = show(false);
    download.says({ state: "waiting", reason: "no peer has this torrent yet" });
    download.says({ state: "waiting", reason: "no peer has this torrent yet" });
    download.says({ state: "downloading" });
    stop();
    expect(stderr.text.split("\n")).toEqual([
      "f   50 %  4.0 MiB of 8.0 MiB  waiting: no peer has this torrent yet",
      "f   50 %  4.0 MiB of 8.0 MiB  1.0 MiB/s  4 s left  2 peers",
      "",
    ]);
  });

  it("for scripts is an event a state, and one for each change of a peer", () => {
    const { stdout, stderr, download, stop } = show(false, true);
    download.says({});
    download.says({ peers: [peer(0), peer(1, { state: "banned", reason: "wrong piece" })] });
    stop();
    const events = stdout.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ event, url, state }) => [event, url, state])).toEqual([
      ["peer", "http://127.0.0.1:50051", "active"],
      ["peer", "http://127.0.0.1:50052", "active"],
      ["progress", undefined, "downloading"],
      ["peer", "http://127.0.0.1:50052", "banned"],
    ]);
    expect(stderr.text).toBe("");
  });
});
