import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { piecesOfFiles } from "#core/torrent/selection.ts";
import { StreamStore, type StreamStoreOptions } from "../../../../server/peer/stores/stream-store.ts";
import { FakeSwarm } from "../../../support/swarms/fake-swarm.ts";

const PIECE = 1 << 20;

/** A download into a stream whose reader takes nothing until it is told to. */
function streaming(swarm: FakeSwarm, range?: StreamStoreOptions["range"]) {
  const output = new PassThrough({ highWaterMark: 1 });
  const store = new StreamStore({ geometry: swarm.geometry, output, range });
  const wanted =
    range &&
    piecesOfFiles(
      [
        { path: "a", length: range.offset },
        { path: "b", length: range.length },
      ],
      [1],
      swarm.geometry,
    );
  const download = swarm.download({ sequential: true }, { store, wanted });
  store.onHorizon = (horizon) => download.askBelow(horizon);
  download.askBelow(store.horizon);
  download.start();
  const chunks: Buffer[] = [];
  const read = () => output.on("data", (chunk) => chunks.push(chunk));
  return { output, store, download, read, taken: () => Buffer.concat(chunks) };
}

describe("a download into a stream", () => {
  it("gives every byte in order, whatever order the pieces come in", async () => {
    const swarm = new FakeSwarm({ pieces: 60, lastPiece: 7 });
    for (let n = 0; n < 4; n++) swarm.add({ rate: 3_000 * (n + 1), latencyMs: 5 * n });
    const { download, read, taken, store } = streaming(swarm);
    read();
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(Buffer.compare(taken(), swarm.bytes)).toBe(0);
    await expect(store.read(swarm.geometry.index(0))).rejects.toMatchObject({ code: "not_found" });
    await download.stop();
    expect(swarm.clock.pending).toBe(0);
  });

  it("asks for no more than the window while nobody reads, is not said to wait for peers, and goes on", async () => {
    const swarm = new FakeSwarm({ pieces: 48, pieceLength: PIECE });
    const seeder = swarm.add();
    const { download, read, taken } = streaming(swarm);
    await swarm.clock.tick(60_000);
    // 32 MiB, and what the stream itself has taken.
    expect(seeder.asked.length).toBeGreaterThanOrEqual(32);
    expect(seeder.asked.length).toBeLessThanOrEqual(34);
    expect(download.peek().state).toBe("downloading");
    expect(download.explain().spentMs.blocked).toBeGreaterThan(50_000);
    read();
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(taken().length).toBe(48 * PIECE);
    expect(Buffer.compare(taken(), swarm.bytes)).toBe(0);
    await download.stop();
  }, 120_000);

  it("waits for a piece that is late without asking ever further ahead", async () => {
    const swarm = new FakeSwarm({ pieces: 100, pieceLength: PIECE });
    swarm.add({ has: Array.from({ length: 99 }, (_, n) => n + 1) });
    const { download, read } = streaming(swarm);
    read();
    await swarm.clock.tick(5_000);
    expect(Math.max(...swarm.asked)).toBeLessThan(32);
    swarm.add({ has: [0] });
    await swarm.until("complete", () => download.peek().state === "complete");
    await download.stop();
  }, 120_000);

  it("gives one file of a folder, asking only for the pieces that it touches", async () => {
    const swarm = new FakeSwarm({ pieces: 20 });
    swarm.add();
    const range = { offset: 4_321, length: 5_000 };
    const { download, read, taken } = streaming(swarm, range);
    read();
    await swarm.until("complete", () => download.peek().state === "complete");
    expect(Buffer.compare(taken(), swarm.bytes.slice(4_321, 9_321))).toBe(0);
    expect([...new Set(swarm.asked)].sort((a, b) => a - b)).toEqual([4, 5, 6, 7, 8, 9]);
    await download.stop();
  });

  it("fails when the output does", async () => {
    const swarm = new FakeSwarm({ pieces: 20 });
    swarm.add({ rate: 1_000 });
    const { download, output, read } = streaming(swarm);
    read();
    await swarm.until("under way", () => download.peek().heldPieces > 2);
    output.destroy(new Error("broken pipe"));
    await swarm.until("failed", () => download.peek().state === "failed");
    expect(download.peek().reason).toContain("writing to the output failed");
    await download.stop();
  });

  it("is over only when the output has confirmed the last byte", async () => {
    const swarm = new FakeSwarm({ pieces: 2 });
    const confirm: ((error?: Error) => void)[] = [];
    const output = new Writable({ write: (_chunk, _encoding, callback) => void confirm.push(callback) });
    output.on("error", () => {});
    const store = new StreamStore({ geometry: swarm.geometry, output });
    let state = "writing";
    store.finish().then(
      () => {
        state = "finished";
      },
      (error) => {
        state = error.message;
      },
    );
    for (const index of swarm.geometry.indices()) {
      store.write(
        index,
        0,
        swarm.bytes.subarray(swarm.geometry.offset(index)).subarray(0, swarm.geometry.lengthOf(index)),
      );
      store.commit(index);
    }
    confirm[0]!();
    await new Promise(setImmediate);
    expect(state).toBe("writing");
    confirm[1]!(Object.assign(new Error("full"), { code: "ENOSPC" }));
    await new Promise(setImmediate);
    expect(state).toBe("writing to the output failed: no space is left on the disk");
  });
});
