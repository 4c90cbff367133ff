import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AnnounceEvent, FailureKind } from "#gen/pieza/v1/tracker_pb.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";

const swarm = { infoHash: infoHash("a"), totalPieces: 8 };
const MINUTE_MS = 60_000;

interface Peer {
  readonly from: string;
  readonly port?: number;
  readonly zone?: string;
  readonly complete?: boolean;
}

let tracker: RouterTracker;
beforeEach(() => {
  // Leases outlive the votes, so that no test needs heartbeats.
  tracker = new RouterTracker(undefined, { trackerLimits: { leaseMs: 60 * MINUTE_MS } });
});
afterEach(async () => {
  await tracker.close();
  expect(tracker.defects).toEqual([]);
});

async function join({ from, port = 7_000, zone = "", complete = true }: Peer) {
  const torrents = [
    {
      ...swarm,
      fileName: "file",
      revision: 1n,
      complete,
      ...(!complete && { bitfield: Uint8Array.of(0x80) }),
    },
  ];
  const started = { event: AnnounceEvent.STARTED, port, zone, torrents };
  const { leaseId, leaseSecret } = await tracker.client(from).announce(started);
  return { from, url: `http://${from}:${port}`, leaseId, leaseSecret };
}

type Joined = Awaited<ReturnType<typeof join>>;

function report({ from, leaseId, leaseSecret }: Joined, urls: readonly string[]) {
  const failures = urls.map((url) => ({ url, infoHash: swarm.infoHash, kind: FailureKind.WRONG_PIECE }));
  return tracker.client(from).announce({ leaseId, leaseSecret, failures });
}

async function named(zone = ""): Promise<string[]> {
  const { peers } = await tracker.client().locatePieces({ ...swarm, zone });
  return peers.map(({ url }) => url);
}

describe("who is reported to fail", () => {
  it("is named last once three networks say so and another seeder is there, and in its place after ten minutes", async () => {
    const liar = await join({ from: "127.1.0.1" });
    const honest = await join({ from: "127.2.0.1" });
    const reporters = [];
    for (let n = 0; n < 3; n++) reporters.push(await join({ from: `127.3.${n}.1`, port: 0 }));
    for (const reporter of reporters.slice(0, 2)) await report(reporter, [liar.url]);
    expect(await named()).toEqual([liar.url, honest.url]);
    await report(reporters[2]!, [liar.url]);
    expect(await named()).toEqual([honest.url, liar.url]);
    await tracker.clock.tick(10 * MINUTE_MS);
    expect(await named()).toEqual([liar.url, honest.url]);
  });

  it("stays named while nobody else has all pieces", async () => {
    const only = await join({ from: "127.1.0.1" });
    const leecher = await join({ from: "127.2.0.1", complete: false });
    for (let n = 0; n < 3; n++) await report(await join({ from: `127.3.${n}.1`, port: 0 }), [only.url]);
    expect(await named()).toEqual([only.url, leecher.url]);
  });

  it("stays named after 1,000 reports from one lease, and from many leases of one network", async () => {
    const honest = await join({ from: "127.1.0.1" });
    const other = await join({ from: "127.2.0.1" });
    const one = await join({ from: "127.3.0.1", port: 0 });
    for (let n = 0; n < 1_000; n++) await report(one, [honest.url]);
    for (let n = 2; n < 50; n++) await report(await join({ from: `127.3.0.${n}`, port: 0 }), [honest.url]);
    expect(await named()).toEqual([honest.url, other.url]);
  });

  it("is not heard of from who has no lease", async () => {
    const honest = await join({ from: "127.1.0.1" });
    await join({ from: "127.2.0.1" });
    for (let n = 0; n < 3; n++) {
      const nobody = { from: `127.3.${n}.1`, url: "", leaseId: "0".repeat(32), leaseSecret: "0".repeat(32) };
      await expect(report(nobody, [honest.url])).rejects.toThrow();
    }
    expect(await named()).toContain(honest.url);
  });

  it("50 liars and 2 honest seeds: after three downloaders have told, answers name the honest first, and 3 liars in turn", async () => {
    const liars = [];
    for (let n = 1; n <= 50; n++) liars.push(await join({ from: `127.1.${n}.1` }));
    const honest = [await join({ from: "127.2.1.1" }), await join({ from: "127.2.2.1" })];
    const urls = liars.map(({ url }) => url);
    for (let n = 0; n < 3; n++) await report(await join({ from: `127.3.${n}.1`, port: 0 }), urls);
    const seen = new Set<string>();
    const turns: number[] = [];
    for (let answer = 0; answer < 20; answer++) {
      const { peers, turn } = await tracker.client().locatePieces(swarm);
      expect(peers).toHaveLength(5);
      expect(peers.slice(0, 2).map(({ url }) => url)).toEqual(honest.map(({ url }) => url));
      for (const { url } of peers.slice(2)) seen.add(url);
      turns.push(turn);
    }
    expect(seen).toEqual(new Set(urls));
    expect(turns).toEqual(turns.map((_, at) => turns[0]! + at));
  });

  it("as many of them are named as unsuspected seeders, in at most half of an answer", async () => {
    const suspects: string[] = [];
    for (let n = 1; n <= 40; n++) suspects.push((await join({ from: `127.1.${n}.1` })).url);
    for (let n = 1; n <= 6; n++) await join({ from: `127.2.${n}.1` });
    for (let n = 0; n < 3; n++) await report(await join({ from: `127.3.${n}.1`, port: 0 }), suspects);
    const suspected = async () => (await named()).map((url) => suspects.includes(url));
    expect(await suspected()).toEqual([...Array(6).fill(false), ...Array(6).fill(true)]);
    for (let n = 7; n <= 60; n++) await join({ from: `127.2.${n}.1` });
    expect((await suspected()).filter(Boolean)).toHaveLength(25);
  });

  it("suspects of a crowded network do not hide those of other networks", async () => {
    await join({ from: "127.2.0.1" });
    const suspects = [];
    for (let n = 1; n <= 60; n++) suspects.push((await join({ from: "127.1.0.1", port: n })).url);
    const honest = [];
    for (let n = 1; n <= 3; n++) honest.push((await join({ from: `127.4.${n}.1` })).url);
    suspects.push(...honest);
    for (let n = 0; n < 3; n++) await report(await join({ from: `127.3.${n}.1`, port: 0 }), suspects);
    const seen = new Set<string>();
    for (let answer = 0; answer < 3; answer++) for (const url of await named()) seen.add(url);
    expect([...seen]).toEqual(expect.arrayContaining(honest));
  });
});

describe("who asks from a zone", () => {
  it("is told of its zone alone where three seeders are, each first as often as the others", async () => {
    const near = [];
    for (let n = 0; n < 3; n++) {
      near.push(await join({ from: "127.1.0.1", port: 1_000 + n, zone: "here" }));
      await join({ from: "127.2.0.1", port: 1_000 + n, zone: "there" });
    }
    const turns = [];
    for (let answer = 0; answer < 30; answer++) {
      const { peers, turn } = await tracker.client().locatePieces({ ...swarm, zone: "here" });
      expect(peers.map(({ url }) => url)).toEqual(near.map(({ url }) => url));
      turns.push(turn % 3);
      // Others who ask in between do not take the zone's turns.
      if (answer % 2 === 0) expect(await named("elsewhere")).toHaveLength(6);
    }
    for (const turn of [0, 1, 2]) expect(turns.filter((one) => one === turn)).toHaveLength(10);
  });

  it("is told of everybody where fewer are, its zone first, and others as ever", async () => {
    const far = await join({ from: "127.2.0.1" });
    const near = [];
    for (let n = 0; n < 2; n++) near.push(await join({ from: "127.1.0.1", port: 1_000 + n, zone: "here" }));
    near.push(await join({ from: "127.1.0.1", port: 1_002, zone: "here", complete: false }));
    const urls = near.map(({ url }) => url);
    expect(await named("here")).toEqual([...urls, far.url]);
    expect(await named("there")).toEqual([far.url, ...urls]);
    expect(await named()).toEqual([far.url, ...urls]);
  });

  it("is told of its zone in every answer of a large swarm, and of each far peer as often as of every other", async () => {
    const near = await join({ from: "127.1.0.1", zone: "here" });
    for (let n = 0; n < 98; n++) await join({ from: `127.2.${n}.1` });
    const far = new Map<string, number>();
    for (let answer = 0; answer < 40; answer++) {
      const [first, ...others] = await named("here");
      expect(first).toBe(near.url);
      expect(others).toHaveLength(49);
      for (const url of others) far.set(url, (far.get(url) ?? 0) + 1);
    }
    expect(far.size).toBe(98);
    expect(new Set(far.values())).toEqual(new Set([20]));
  });

  it("is told last of a near peer that three networks report to fail, if a seeder is elsewhere", async () => {
    const near = await join({ from: "127.1.0.1", zone: "here" });
    const far = await join({ from: "127.2.0.1" });
    for (let n = 0; n < 3; n++) await report(await join({ from: `127.3.${n}.1`, port: 0 }), [near.url]);
    expect(await named("here")).toEqual([far.url, near.url]);
  });
});

describe("10,000 peers of one address", () => {
  it("are 256, and hide no honest peer from any answer", { timeout: 240_000 }, async () => {
    const honest = [];
    for (let n = 0; n < 10; n++) honest.push(await join({ from: `127.9.${n >> 1}.${n + 1}` }));
    let refused = 0;
    for (let n = 0; n < 10_000; n++) {
      const client = tracker.client("127.66.6.6");
      const torrents = [{ ...swarm, fileName: "file", revision: 1n, complete: true }];
      await client.announce({ event: AnnounceEvent.STARTED, port: 1 + n, torrents }).catch(() => refused++);
    }
    expect(refused).toBe(10_000 - 256);
    const crowd = new Map<string, number>();
    for (let answer = 0; answer < 700; answer++) {
      const urls = await named();
      expect(urls.length).toBeLessThanOrEqual(50);
      for (const { url } of honest) expect(urls).toContain(url);
      for (const url of urls) crowd.set(url, (crowd.get(url) ?? 0) + 1);
    }
    // The crowd's own share the rest of the places as they would among themselves.
    for (const { url } of honest) crowd.delete(url);
    expect(crowd.size).toBe(256);
    expect(Math.min(...crowd.values())).toBeGreaterThanOrEqual(95);
    expect(Math.max(...crowd.values())).toBeLessThanOrEqual(105);
  });
});
