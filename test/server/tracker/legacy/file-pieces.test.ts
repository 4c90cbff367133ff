import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { GetFilePiecesResponseSchema, TrackerService } from "#gen/tracker_pb.ts";
import { AnswerRate } from "../../../../server/http/guards/answer-rate.ts";
import {
  encodedFilePieces,
  filePieces,
  turnsUntilAgain,
} from "../../../../server/tracker/legacy/file-pieces.ts";
import type { PeerSelection } from "../../../../server/tracker/locate/peer-selector.ts";
import type { SwarmMember } from "../../../../server/tracker/store/swarm-store.ts";
import { startTracker } from "../../../../server/tracker/tracker.ts";
import { RawClient } from "../../../support/wire/raw-call.ts";
import { callOf, read } from "../../../support/wire/wire-formats.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const selections = fc.integer({ min: 1, max: 300 }).chain((total) => {
  const held = fc.uniqueArray(fc.integer({ min: 0, max: total - 1 }), { maxLength: 40 });
  const bitfield = fc.oneof(
    held.map((indices) => Bitfield.of(total, indices)),
    fc.constant(Bitfield.full(total)),
  );
  return fc.record({
    peers: fc.array(bitfield, { maxLength: 5 }),
    legacy: fc.array(held, { maxLength: 5 }),
    turn: fc.nat(1_000),
  });
});

function selectionOf(
  peers: readonly Bitfield[],
  legacy: readonly (readonly number[])[],
  turn: number,
): PeerSelection {
  return {
    swarm: undefined,
    peers: peers.map((bitfield, n) => ({ url: `http://127.0.0.1:${7_000 + n}`, bitfield }) as SwarmMember),
    legacyPeers: legacy.map((indices, n) => ({
      leaseId: String(n),
      url: `http://peer-${"x".repeat(30 * n)}.test:${n}`,
      pieces: [...indices].sort((a, b) => a - b).map((index) => ({ number: index + 1, hash: `h${index}` })),
    })),
    turn,
  };
}

describe("the map of GetFilePieces", () => {
  it("is encoded as the library encodes it", () => {
    const property = fc.property(selections, ({ peers, legacy, turn }) => {
      const selection = selectionOf(peers, legacy, turn);
      const message = create(GetFilePiecesResponseSchema, { pieces: filePieces(selection) });
      const bytes = toBinary(GetFilePiecesResponseSchema, message);
      return Buffer.compare(bytes, encodedFilePieces(selection)) === 0;
    });
    fc.assert(property, { numRuns: 300 });
  });

  it("is the same again after its period, legacy peers included", () => {
    const property = fc.property(selections, ({ peers, legacy, turn }) => {
      const period = turnsUntilAgain(selectionOf(peers, legacy, turn), 10_000);
      if (period > 10_000) return true;
      const [now, again] = [turn, turn + period].map((at) =>
        encodedFilePieces(selectionOf(peers, legacy, at)),
      );
      return Buffer.compare(now!, again!) === 0;
    });
    fc.assert(property, { numRuns: 300 });
  });
});

let looks = 0;
/** The pieces that the tracker names to an address that has not asked before. */
async function piecesNamed(url: string, call: ReturnType<typeof callOf>): Promise<number> {
  const looker = new RawClient(url, 1, { localAddress: `127.0.1.${++looks}` });
  try {
    const said = read("connect", TrackerService.method.getFilePieces, await looker.call(call));
    return "message" in said ? Object.keys(said.message.pieces).length : 0;
  } finally {
    looker.close();
  }
}

describe("the bytes of long answers", () => {
  it("are bounded for an address, whoever else asks", () => {
    const time = { ms: 0 };
    const rate = new AnswerRate(() => time.ms);
    rate.admit("10.0.0.1");
    rate.charge("10.0.0.1", 68 << 20);
    expect(() => rate.admit("10.0.0.1")).toThrow(
      expect.objectContaining({ code: "resource_exhausted", retryAfterMs: expect.any(Number) }),
    );
    rate.admit("10.0.0.2");
    time.ms = 1_100;
    rate.admit("10.0.0.1");
  });

  it("are charged by GetFilePieces", async () => {
    const pieces = Array.from({ length: 15_000 }, (_, at) => ({ number: at + 1, hash: "h" }));
    const tracker = await startTracker({ port: 0, hasPiece: async () => true });
    ends.push(() => tracker.close());
    const caller = new RawClient(tracker.url, 1);
    ends.push(() => caller.close());
    const { registerPeer, getFilePieces } = TrackerService.method;
    // Each port is a peer of its own, so that the order of the holders hardly ever repeats, and each has other pieces.
    for (let n = 1; n <= 16; n++) {
      const fileInfo = [{ fileName: "f", pieces: pieces.slice(0, n * 900) }];
      const call = callOf("connect", registerPeer, { peerAddress: `x:${n}`, fileInfo });
      expect(read("connect", registerPeer, await caller.call(call))).toHaveProperty("message");
    }
    const call = callOf("connect", getFilePieces, { fileName: "f" });
    // A legacy peer is named from its first answer on. Other addresses look, because each pays for what it reads.
    await expect
      .poll(async () => piecesNamed(tracker.url, call), { timeout: 20_000, interval: 500 })
      .toBe(14_400);
    let answers = 0;
    for (; answers < 100; answers++) {
      const said = read("connect", getFilePieces, await caller.call(call));
      if ("code" in said) {
        expect(said).toMatchObject({
          code: "resource_exhausted",
          text: expect.stringContaining("too many bytes of answers"),
        });
        break;
      }
      expect(Object.keys(said.message.pieces)).toHaveLength(14_400);
    }
    expect(answers).toBeGreaterThan(2);
    expect(answers).toBeLessThan(100);
    const neighbour = new RawClient(tracker.url, 1, { localAddress: "127.0.0.2" });
    ends.push(() => neighbour.close());
    expect(read("connect", getFilePieces, await neighbour.call(call))).toHaveProperty("message");
  });

  it("are never those of a huge map in JSON, which would hold everybody else up", async () => {
    const pieces = Array.from({ length: 20_000 }, (_, at) => ({ number: at + 1, hash: "h" }));
    const tracker = await startTracker({ port: 0, hasPiece: async () => true });
    ends.push(() => tracker.close());
    const caller = new RawClient(tracker.url, 1);
    ends.push(() => caller.close());
    const { registerPeer, getFilePieces } = TrackerService.method;
    const registration = { peerAddress: "x:1", fileInfo: [{ fileName: "f", pieces }] };
    await caller.call(callOf("connect", registerPeer, registration));
    const call = callOf("connect", getFilePieces, { fileName: "f" });
    await expect.poll(() => piecesNamed(tracker.url, call), { timeout: 20_000 }).toBe(20_000);
    const inJson = await caller.call(callOf("connect-json", getFilePieces, { fileName: "f" }));
    expect(read("connect-json", getFilePieces, inJson)).toMatchObject({ code: "out_of_range" });
    const said = read(
      "connect",
      getFilePieces,
      await caller.call(callOf("connect", getFilePieces, { fileName: "f" })),
    );
    expect("message" in said && Object.keys(said.message.pieces)).toHaveLength(20_000);
  });
});
