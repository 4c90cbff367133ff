import { expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { PeerFailed, WrongPiece } from "#core/base/errors.ts";
import type { PeerSnapshot } from "#core/download/snapshot.ts";
import type { RemotePeer } from "#core/ports/peer.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import { PeerFailures } from "../../../../server/peer/transports/peer-failures.ts";

const url = "http://127.0.0.1:1";
const infoHash = "a".repeat(64);
const index = new PieceGeometry(1, 1).index(0);
const sink = { write() {} };

function failing(error: Error): { peer: RemotePeer; told: string[]; failures: PeerFailures } {
  const told: string[] = [];
  const failures = new PeerFailures(infoHash, (failure) => told.push(`${failure.kind} ${failure.url}`));
  const peer = {
    url,
    transport: "fake",
    getBitfield: async () => new Bitfield(1),
    getPiece: () => Promise.reject(error),
    close() {},
  };
  return { peer: failures.watch(peer), told, failures };
}

it.each([
  [new PeerFailed("unavailable", "refused"), "unreachable"],
  [new PeerFailed("deadline_exceeded", "late"), "unreachable"],
  [new PeerFailed("not_found", "not here"), "missing-piece"],
  [new PeerFailed("data_loss", "rotten"), "missing-piece"],
  [new PeerFailed("resource_exhausted", "busy"), undefined],
  [new PeerFailed("unimplemented", "no such call"), undefined],
  [new WrongPiece("too long"), undefined],
])("%s is told as %s, and comes through as it is", async (error, kind) => {
  const { peer, told } = failing(error);
  await expect(peer.getPiece(index, sink, new AbortController().signal)).rejects.toBe(error);
  expect(told).toEqual(kind ? [`${kind} ${url}`] : []);
});

it("what failed because we ended it is nobody's failure", async () => {
  const { peer, told } = failing(new PeerFailed("unavailable", "cut off"));
  await expect(peer.getPiece(index, sink, AbortSignal.abort())).rejects.toThrow("cut off");
  expect(told).toEqual([]);
});

it("a stall that the download found is the peer's failure", async () => {
  const stall = new PeerFailed("deadline_exceeded", "no more than 9 bytes of the piece in 10 s");
  const { peer, told } = failing(stall);
  await expect(peer.getPiece(index, sink, AbortSignal.abort(stall))).rejects.toBe(stall);
  expect(told).toEqual([`unreachable ${url}`]);
});

it("who was banned is told of once", () => {
  const { failures, told } = failing(new Error());
  const peers = [
    { url, state: "banned" },
    { url: "http://other", state: "active" },
  ] as PeerSnapshot[];
  failures.look(peers);
  failures.look(peers);
  expect(told).toEqual([`wrong-piece ${url}`]);
});
