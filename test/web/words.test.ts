import { describe, expect, it } from "vitest";
import { PieceMap } from "#core/download/snapshot.ts";
import { en } from "../../web/src/base/en.ts";
import { es } from "../../web/src/base/es.ts";
import { formatsFor } from "../../web/src/base/format.ts";
import { linkTo, torrentOf } from "../../web/src/base/page-link.ts";
import {
  failureOf,
  NO_ADDRESS,
  NO_LOCAL_NETWORK,
  peerTrouble,
  reasonText,
} from "../../web/src/base/trouble.ts";
import { heldOfFiles } from "../../web/src/downloads/file-progress.ts";
import { lookOf } from "../../web/src/swarm/peer-look.ts";
import { cellAt, gridOf } from "../../web/src/swarm/piece-grid.ts";
import { wasmHasher } from "../../web/src/worker/browser-hasher.ts";

describe("numbers", () => {
  it.each([
    [0, "0 bytes", "0 bytes"],
    [999, "999 bytes", "999 bytes"],
    [1_500, "1.5 kB", "1,5 kB"],
    [999_700, "1.0 MB", "1,0 MB"],
    [268_435_456, "268 MB", "268 MB"],
  ])("%d bytes", (bytes, english, spanish) => {
    expect(formatsFor("en").bytes(bytes)).toBe(english);
    expect(formatsFor("es").bytes(bytes).replace("\u00a0", " ")).toBe(spanish);
  });

  it("never says 100% before the end", () => {
    expect(formatsFor("en").percent(0.9999)).toBe("99%");
    expect(formatsFor("en").percent(1)).toBe("100%");
  });

  it.each([
    [3_400, "3.4 sec"],
    [59_400, "59 sec"],
    [59_600, "1 min 0 sec"],
    [3_599_000, "1 hr 0 min"],
    [3_600_000 * 50, "2 days"],
  ])("%d ms", (ms, text) => {
    expect(formatsFor("en").duration(ms)).toBe(text);
  });
});

describe("reasons", () => {
  it("are the engine's on the English page, and ours on the Spanish one", () => {
    const failure = { trouble: "wrong_piece", text: "wrong hash" } as const;
    expect(reasonText(failure, en.troubles)).toEqual({ ours: "", theirs: "wrong hash" });
    expect(reasonText(failure, es.troubles)).toEqual({
      ours: "envió bytes que no son la pieza",
      theirs: "",
    });
  });

  it("keep what a server said where that is all there is to know", () => {
    const failure = { trouble: "internal", text: "disk on fire" } as const;
    expect(reasonText(failure, es.troubles)).toEqual({ ours: "falló:", theirs: "disk on fire" });
  });

  it("of a browser are ours in every language: its own are for programmers", () => {
    const denied = failureOf(
      new DOMException("The request is not allowed by the user agent", "NotAllowedError"),
    );
    expect(reasonText(denied, en.troubles)).toEqual({ ours: "the browser does not allow it", theirs: "" });
    expect(reasonText(denied, es.troubles)).toEqual({ ours: "el navegador no lo permite", theirs: "" });
  });

  it("of a peer in the person's network say how to let the page in", () => {
    const peer = { state: "backing off", trouble: "permission_denied", reason: NO_LOCAL_NETWORK } as const;
    expect(peerTrouble(peer)).toBe("no_local_network");
    expect(peerTrouble({ ...peer, reason: "wants a token" })).toBe("permission_denied");
    const far = { state: "skipped", trouble: "failed_precondition" } as const;
    expect(peerTrouble({ ...far, reason: "an https page" })).toBe("insecure_peer");
    expect(peerTrouble({ ...far, reason: NO_ADDRESS })).toBe("bad_address");
  });
});

describe("links", () => {
  it.each(["plain", "100% #1?", "%41", "a/b", "日本 'q' \"z\"", "<b>"])("to %s lead back to it", (name) => {
    expect(torrentOf(linkTo(name))).toEqual({ name });
  });

  it("typed by hand with a stray % still mean the name", () => {
    expect(torrentOf("#/t/100%")).toEqual({ name: "100%" });
  });

  it("with 64 hex digits mean an info hash, in either case", () => {
    expect(torrentOf(`#/t/${"AB".repeat(32)}`)).toEqual({ infoHash: "ab".repeat(32) });
  });

  it.each(["", "#", "#/", "#/t/", "#token=x"])("such as %j open nothing", (hash) => {
    expect(torrentOf(hash)).toBeUndefined();
  });
});

describe("the map", () => {
  it.each([1, 4, 256, 5_123, 131_072])("of %d pieces has a square for each, in few rows", (pieces) => {
    for (const width of [328, 1_024]) {
      const grid = gridOf(pieces, width);
      expect(grid.cells * grid.perCell).toBeGreaterThanOrEqual(pieces);
      expect((grid.cells - 1) * grid.perCell).toBeLessThan(pieces);
      expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(grid.cells);
      expect(grid.width).toBeLessThanOrEqual(width);
      expect(grid.height).toBeLessThan(400);
    }
  });

  it("shows of many pieces whose most are, and how many are held", () => {
    const [one, two] = [PieceMap.from(0), PieceMap.from(1)];
    const map = Uint16Array.from([one, two, two, PieceMap.inFlight(3)]);
    const grid = { ...gridOf(4, 100), perCell: 4, cells: 1 };
    expect(cellAt(map, grid, 0)).toEqual({ entry: two, held: 0.75 });
    expect(cellAt(Uint16Array.from([0, 0, PieceMap.inFlight(3), 0]), grid, 0)).toEqual({
      entry: PieceMap.inFlight(3),
      held: 0,
    });
  });

  it("says of each file how many of its pieces are held, shared ones too", () => {
    const lengths = [12, 8, 0, 20];
    const files = lengths.map((length, n) => ({ path: `${n}`, length }));
    const map = Uint16Array.from([PieceMap.from(0), PieceMap.HELD_BEFORE, PieceMap.inFlight(0), 0]);
    expect([...heldOfFiles(files, [0, 1, 2, 3], map, 10)]).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 0],
    ]);
    expect([...heldOfFiles(files, [1, 3], map.fill(PieceMap.from(1), 2, 3), 10)]).toEqual([
      [1, 1],
      [3, 0.5],
    ]);
  });

  it("gives each of 64 peers another look, and neighbours another colour and pattern", () => {
    const looks = Array.from({ length: 64 }, (_, slot) => lookOf(slot));
    expect(new Set(looks.map(({ colour, pattern }) => `${colour} ${pattern}`)).size).toBe(64);
    for (const [slot, look] of looks.slice(1).entries()) {
      expect(look.colour).not.toBe(looks[slot]!.colour);
      expect(look.pattern).not.toBe(looks[slot]!.pattern);
    }
  });
});

it("WebAssembly hashes as WebCrypto does, two pieces at a time", async () => {
  const hasher = await wasmHasher();
  const [one, two] = [hasher.create(), hasher.create()];
  const buffer = new TextEncoder().encode("ab");
  one.update(buffer.subarray(0, 1));
  two.update(buffer);
  one.update(buffer.subarray(1));
  buffer.fill(0);
  const expected = "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603";
  expect([await one.digest(), await two.digest()]).toEqual([expected, expected]);
});
