import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import { MemorySwarmStore } from "../../../../server/tracker/store/memory/memory-swarm-store.ts";
import { limitsFor, machineMemory, memoryOf } from "../../../../server/tracker/store/memory-limits.ts";
import { lease } from "../../../contract/swarm-store.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";

const MiB = 1 << 20;
const GiB = 1 << 30;
/** A quarter of what is left beside the code is for leases: here 32 MiB. */
const MEMORY_OF_MANY = 256 * MiB;

it("half of the machine, or of the container where that is smaller, and never more than the heap", () => {
  expect(memoryOf({ total: 8 * GiB, constrained: 0, heap: 64 * GiB })).toBe(4 * GiB);
  expect(memoryOf({ total: 8 * GiB, constrained: 2 ** 64, heap: 64 * GiB })).toBe(4 * GiB);
  expect(memoryOf({ total: 8 * GiB, constrained: GiB, heap: 64 * GiB })).toBe(GiB / 2);
  expect(memoryOf({ total: 64 * GiB, constrained: 0, heap: 4 * GiB })).toBe(4 * GiB);
  const here = machineMemory();
  expect(memoryOf(here)).toBeGreaterThan(0);
  expect(memoryOf(here)).toBeLessThanOrEqual(here.total / 2);
});

it.each([
  [0, 8 * MiB, 2_048, 2_048],
  [256 * MiB, 64 * MiB, 16_384, 16_384],
  [640 * MiB, 256 * MiB, 65_536, 65_536],
  [GiB + 128 * MiB, 512 * MiB, 131_072, 131_072],
])("%i bytes make caps that fit into them", (memory, maxStateBytes, maxLeases, maxSwarms) => {
  expect(limitsFor(memory)).toEqual({ maxStateBytes, maxLeases, maxSwarms });
});

it("a tracker that is given little refuses what does not fit, and keeps what it has", async () => {
  const tracker = new RouterTracker(undefined, { memoryBytes: 1, rateLimit: false });
  const remote = remoteTracker({ url: "http://127.0.0.1", transport: tracker.transport() });
  const totalPieces = 100_000;
  const join = async (digit: string, port: number) => {
    const address = { port, tls: false, identifyKey: new Uint8Array(32) };
    const bitfield = Bitfield.of(totalPieces, [port]);
    const torrents = [{ infoHash: infoHash(digit), totalPieces, fileName: "file", revision: 1, bitfield }];
    return remote.announce({ event: "started", address, torrents, left: [] }, AbortSignal.timeout(10_000));
  };
  try {
    let kept = 0;
    const refused = (async () => {
      for (; kept < 1_000; kept++) await join("a", 1 + kept);
    })();
    await expect(refused).rejects.toMatchObject({ code: "resource_exhausted" });
    // Of 8 MiB, 12.5 kB each.
    expect(kept).toBeGreaterThan(500);
    expect((await tracker.store.swarm({ infoHash: infoHash("a"), totalPieces }))?.members).toHaveLength(kept);
  } finally {
    await tracker.close();
  }
});

it("peers with the longest texts stop at their cap, and take no more than their share of the memory", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { maxLeases } = limitsFor(MEMORY_OF_MANY);
  const store = new MemorySwarmStore(new FakeClock(), { maxLeases });
  const long = (n: number, length: number) => Buffer.from(`${n} `.padEnd(length, "x")).toString("latin1");
  const peer = (n: number) => ({
    ...lease(`${n}`.padStart(32, "0")),
    address: long(n, 255),
    url: long(n, 255),
    source: long(n, 45),
    zone: long(n, 64),
    notListedReason: long(n, 64),
    identifyKey: new Uint8Array(32).fill(n),
  });
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < maxLeases; n++) await store.open(peer(n));
  await expect(store.open(peer(maxLeases))).rejects.toMatchObject({ code: "resource_exhausted" });
  collect();
  const eachBytes = (process.memoryUsage().heapUsed - before) / maxLeases;
  console.info(`${Math.round(eachBytes)} bytes a lease`);
  expect(eachBytes).toBeLessThan(4 << 10);
  expect((await store.counts()).leases).toBe(maxLeases);
  await store.close();
});
