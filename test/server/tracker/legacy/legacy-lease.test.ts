import { afterEach, describe, expect, it } from "vitest";
import { AnnounceEvent } from "#gen/pieza/v1/tracker_pb.ts";
import type { HasPiece } from "../../../../server/tracker/legacy/legacy-prober.ts";
import { defaultTrackerLimits } from "../../../../server/tracker/store/limits.ts";
import type { TrackerOptions } from "../../../../server/tracker/tracker.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { RouterTracker } from "../../../support/swarms/router-tracker.ts";

const { legacyLeaseMs, legacyProbeMs } = defaultTrackerLimits;
/** A new peer is asked this long after its registration. */
const FIRST_ASK_MS = 200;

const open: RouterTracker[] = [];
/** A tracker whose legacy peers answer every probe, unless a test says otherwise. */
function fresh(hasPiece: HasPiece = async () => true, options: Partial<TrackerOptions> = {}): RouterTracker {
  const tracker = new RouterTracker(new FakeClock(), { hasPiece, ...options });
  open.push(tracker);
  return tracker;
}
afterEach(async () => {
  for (const tracker of open.splice(0)) {
    await tracker.close();
    expect(tracker.defects).toEqual([]);
    expect(tracker.clock.pending, "timers left behind").toBe(0);
  }
});

const piece = (number: number) => ({ number, hash: `hash-${number}` });
const registration = (port: number, fileName: string, ...pieces: ReturnType<typeof piece>[]) => ({
  peerAddress: `localhost:${port}`,
  fileInfo: [{ fileName, total: pieces.length, pieces }],
});

/** Registers a peer, which answers when it is first asked: from then on it is named. */
async function join(tracker: RouterTracker, request: ReturnType<typeof registration>, caller?: string) {
  await tracker.legacyClient(caller).registerPeer(request);
  await tracker.clock.tick(FIRST_ASK_MS);
}

async function piecesOf(tracker: RouterTracker, fileName = "file.txt"): Promise<Record<number, string[]>> {
  const { pieces } = await tracker.legacyClient().getFilePieces({ fileName });
  return Object.fromEntries(
    Object.entries(pieces).map(([number, { addresses }]) => [number, [...addresses].sort()]),
  );
}

describe("a legacy peer's lease", () => {
  it("lives an hour without a heartbeat, and an hour more each time that the peer answers", async () => {
    let answers = true;
    const tracker = fresh(async () => answers);
    await tracker.legacyClient().registerPeer(registration(6001, "file.txt", piece(1)));
    await tracker.clock.tick(3 * legacyLeaseMs);
    expect(await piecesOf(tracker)).toEqual({ 1: ["127.0.0.1:6001"] });
    answers = false;
    await tracker.clock.tick(legacyProbeMs);
    await expect(piecesOf(tracker)).rejects.toThrow("[not_found]");
  });

  it("ends after an hour if nothing could be asked", async () => {
    const tracker = fresh();
    await tracker.legacyClient().registerPeer({ peerAddress: ":6001", fileInfo: [{ fileName: "file.txt" }] });
    await tracker.clock.tick(legacyLeaseMs - 1);
    expect(await tracker.store.counts()).toMatchObject({ leases: 1 });
    await tracker.clock.tick(2_000);
    expect(await tracker.store.counts()).toMatchObject({ leases: 0 });
  });

  it("is asked for a piece that it declared", async () => {
    const asked: unknown[] = [];
    const tracker = fresh(async (...question) => asked.push(question.slice(0, 3)) > 0);
    await join(tracker, registration(6001, "file.txt", piece(7), piece(3)));
    await tracker.clock.tick(legacyProbeMs);
    expect(asked).toEqual(Array(2).fill(["http://127.0.0.1:6001", "file.txt", 3]));
  });

  it("is not ended by a probe of the process that was there before it", async () => {
    const probe = Promise.withResolvers<boolean>();
    let asked = 0;
    const tracker = fresh(() => (asked++ === 0 ? Promise.resolve(true) : probe.promise));
    const request = registration(6001, "file.txt", piece(1));
    await join(tracker, request);
    await tracker.clock.tick(2 * legacyProbeMs);
    await tracker.legacyClient().registerPeer(request);
    probe.resolve(false);
    await tracker.clock.tick(0);
    expect(await piecesOf(tracker)).toEqual({ 1: ["127.0.0.1:6001"] });
  });

  it("dials at most 64 at once, and reaches all", async () => {
    let now = 0;
    let most = 0;
    const asked = new Map<string, number>();
    const tracker = fresh(async (url) => {
      most = Math.max(most, ++now);
      asked.set(url, (asked.get(url) ?? 0) + 1);
      await Promise.resolve();
      now--;
      return true;
    });
    const client = tracker.legacyClient();
    for (let n = 0; n < 200; n++) await client.registerPeer(registration(6_001 + n, "file.txt", piece(1)));
    await tracker.clock.tick(legacyProbeMs);
    expect([...asked.values()]).toEqual(Array(200).fill(2));
    expect(most).toBe(64);
  });

  it("cannot be taken up or ended by an announce, for nobody knows a secret of it", async () => {
    const tracker = fresh();
    await join(tracker, registration(6001, "file.txt", piece(1)));
    const [{ leaseId } = { leaseId: "" }] = await tracker.store.legacyPeers();
    const stop = { event: AnnounceEvent.STOPPED, leaseId, leaseSecret: "0".repeat(32) };
    await expect(tracker.client().announce(stop)).rejects.toThrow("[permission_denied]");
    expect(await piecesOf(tracker)).toEqual({ 1: ["127.0.0.1:6001"] });
  });
});

describe("a legacy peer that registers before it listens", () => {
  /** The times at which a peer was asked, in ms after its registration. It answers from `listensAtMs` on. */
  function late(listensAtMs: number) {
    const askedAtMs: number[] = [];
    const tracker = fresh(async () => {
      askedAtMs.push(tracker.clock.now());
      return tracker.clock.now() >= listensAtMs;
    });
    return { tracker, askedAtMs };
  }
  const file = registration(6001, "file.txt", piece(1));

  it.each([0, 200, 201, 700, 1_999, 4_000])("at %d ms is named from its first answer on", async (at) => {
    const { tracker, askedAtMs } = late(at);
    await tracker.legacyClient().registerPeer(file);
    const firstAnswer = [200, 500, 1_000, 2_000, 4_000].find((ms) => ms >= at)!;
    await tracker.clock.tick(firstAnswer - 1);
    await expect(piecesOf(tracker)).rejects.toThrow("[not_found]");
    await expect(tracker.client().locatePieces({ fileName: "file.txt" })).rejects.toThrow("[not_found]");
    await tracker.clock.tick(1);
    expect(await piecesOf(tracker)).toEqual({ 1: ["127.0.0.1:6001"] });
    await tracker.clock.tick(10_000);
    expect(askedAtMs).toEqual([200, 500, 1_000, 2_000, 4_000].filter((ms) => ms <= firstAnswer));
  });

  it("later than that is named after the next round", async () => {
    const { tracker } = late(10_000);
    await tracker.legacyClient().registerPeer(file);
    await tracker.clock.tick(legacyProbeMs - 1);
    await expect(piecesOf(tracker)).rejects.toThrow("[not_found]");
    await tracker.clock.tick(1);
    expect(await piecesOf(tracker)).toEqual({ 1: ["127.0.0.1:6001"] });
  });

  it("and never does is never named, and forgotten after two rounds", async () => {
    const { tracker } = late(Number.POSITIVE_INFINITY);
    await tracker.legacyClient().registerPeer(file);
    await tracker.clock.tick(2 * legacyProbeMs - 1);
    await expect(piecesOf(tracker)).rejects.toThrow("[not_found]");
    expect(await tracker.store.counts()).toMatchObject({ leases: 1 });
    await tracker.clock.tick(1);
    expect(await tracker.store.counts()).toMatchObject({ leases: 0 });
  });

  it("again, while it serves, is named all the time; if it serves no more, until the fifth question", async () => {
    let there = true;
    const tracker = fresh(async () => there);
    await join(tracker, file);
    await tracker.legacyClient().registerPeer(registration(6001, "file.txt", piece(2)));
    expect(await piecesOf(tracker)).toEqual({ 2: ["127.0.0.1:6001"] });
    there = false;
    await tracker.legacyClient().registerPeer(file);
    await tracker.clock.tick(3_999);
    expect(await piecesOf(tracker)).toEqual({ 1: ["127.0.0.1:6001"] });
    await tracker.clock.tick(1);
    await expect(piecesOf(tracker)).rejects.toThrow("[not_found]");
  });

  it("and leaves meanwhile is asked no more", async () => {
    const { tracker, askedAtMs } = late(Number.POSITIVE_INFINITY);
    await tracker.legacyClient().registerPeer(file);
    await tracker.clock.tick(600);
    await tracker.legacyClient().deregisterPeer({ peerAddress: ":6001" });
    await tracker.clock.tick(2 * legacyProbeMs);
    expect(askedAtMs).toEqual([200, 500]);
  });

  it("does not wait behind the dead peers of another address", async () => {
    const dials = new Set<() => void>();
    const silence = (signal: AbortSignal) =>
      new Promise<boolean>((resolve) => {
        dials.add(() => resolve(false));
        signal.addEventListener("abort", () => resolve(false));
      });
    const tracker = fresh(
      async (url, _file, _number, signal) => url.includes("10.0.0.2") || silence(signal),
      { allowNetworks: ["10.0.0.0/8"] },
    );
    const dead = tracker.legacyClient("10.0.0.1");
    for (let n = 0; n < 200; n++) await dead.registerPeer(registration(6_001 + n, "dead.txt", piece(1)));
    await tracker.legacyClient("10.0.0.2").registerPeer(registration(6001, "alive.txt", piece(1)));
    await tracker.clock.tick(200);
    expect(dials.size).toBe(64);
    // A dial that times out frees one of the 64 places.
    for (const end of [...dials].slice(0, 2)) end();
    await tracker.clock.tick(0);
    expect(await piecesOf(tracker, "alive.txt")).toEqual({ 1: ["10.0.0.2:6001"] });
  });
});
