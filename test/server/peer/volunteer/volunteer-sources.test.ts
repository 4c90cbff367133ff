import { expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import type { SwarmTable, Tracker } from "#core/ports/tracker.ts";
import { Reach } from "../../../../server/http/client/reach.ts";
import { orderedSources } from "../../../../server/peer/volunteer/volunteer-sources.ts";

const query = { infoHash: "ab".repeat(32), totalPieces: 1 };

function trackerAt(url: string, peers: readonly string[]): Tracker {
  const table: SwarmTable = {
    peers: peers.map((peer) => ({ url: peer, bitfield: Bitfield.full(1) })),
    ...{ turn: 0, trackerId: url, nextLocateMs: 500 },
  };
  return { url, locate: async () => table, announce: () => Promise.reject(new Error("unused")) };
}

function orderOf(tracker: Tracker, sources: readonly string[]) {
  return { ...query, id: "1", ranges: [{ first: 0, last: 0 }], sources, expiresMs: 60_000, tracker };
}

it("a tracker's order makes no volunteer call an address nearer than the tracker", async () => {
  const reach = new Reach();
  const [near, far] = ["http://127.0.0.1:2", "http://9.9.9.9:2"];
  const tracker = trackerAt("http://8.8.8.8:1", ["http://10.0.0.9:2"]);
  const sources = orderedSources(() => [orderOf(tracker, [near, far])], undefined, reach);
  const { peers } = await sources.locate(query, new AbortController().signal);
  expect(peers.map(({ url }) => url)).toEqual([near, far, "http://10.0.0.9:2"]);
  expect(() => reach.lookupTo(near)).toThrow("127.0.0.1 is an address of this machine");
  expect(() => reach.lookupTo("http://10.0.0.9:2")).toThrow("10.0.0.9 is a private address");
  expect(reach.lookupTo(far)).toBeTypeOf("function");
});
