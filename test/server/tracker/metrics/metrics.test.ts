import { afterEach, beforeEach, expect, it } from "vitest";
import { AnnounceEvent } from "#gen/pieza/v1/tracker_pb.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";

const torrent = { infoHash: infoHash("a"), totalPieces: 8, fileName: "file", revision: 1n, complete: true };
const EVENTS = ["started", "progress", "completed", "heartbeat", "draining", "stopped"];

let tracker: RouterTracker;
/** How late the tracker's event loop is. */
let lateMs: number;

beforeEach(() => {
  lateMs = 0;
  tracker = new RouterTracker(undefined, { loopDelayMs: () => lateMs });
});
afterEach(() => tracker.close());

/** Every sample of a tracker's own metrics, by its name and labels as written. */
async function samples(): Promise<Map<string, number>> {
  const lines = (await tracker.metrics()).split("\n").filter((line) => line.startsWith("pieza_tracker_"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
}

/** One peer's life: each event once, the heartbeat twice. */
async function live(caller: string, words = ""): Promise<void> {
  const client = tracker.client(caller);
  const started = { event: AnnounceEvent.STARTED, port: 7_000, zone: words, torrents: [torrent] };
  const { leaseId, leaseSecret } = await client.announce(started);
  const { PROGRESS, COMPLETED, UNSPECIFIED: HEARTBEAT, DRAINING, STOPPED } = AnnounceEvent;
  for (const event of [PROGRESS, COMPLETED, HEARTBEAT, HEARTBEAT, DRAINING, STOPPED]) {
    await client.announce({ event, leaseId, leaseSecret });
  }
}

it("counts announces by event, answers by listed or not, locates, and how long calls took", async () => {
  await live("127.0.0.1");
  // Of another network than the tracker's: it has a lease, and is not listed.
  await live("203.0.113.9");
  await tracker.client().announce({ event: AnnounceEvent.STARTED, port: 1, torrents: [torrent] });
  await tracker.client().locatePieces(torrent);
  await expect(tracker.client().locatePieces({ infoHash: infoHash("f") })).rejects.toThrow();
  const metrics = await samples();
  const announces = (event: string) => metrics.get(`pieza_tracker_announces_total{event="${event}"}`);
  expect(EVENTS.map(announces)).toEqual([3, 2, 2, 4, 2, 2]);
  expect(metrics.get('pieza_tracker_announces_answered_total{listed="yes"}')).toBe(8);
  expect(metrics.get('pieza_tracker_announces_answered_total{listed="no"}')).toBe(7);
  expect(metrics.get("pieza_tracker_locates_total")).toBe(2);
  expect(metrics.get("pieza_tracker_leases")).toBe(1);
  expect(metrics.get("pieza_tracker_swarms")).toBe(1);
  expect(metrics.get('pieza_tracker_call_seconds_count{call="announce"}')).toBe(15);
  expect(metrics.get('pieza_tracker_call_seconds_count{call="locate"}')).toBe(2);
  expect(metrics.get('pieza_tracker_call_seconds_bucket{le="+Inf",call="announce"}')).toBe(15);
  expect(metrics.get('pieza_tracker_call_seconds_sum{call="locate"}')).toBeGreaterThan(0);
});

it("counts who is put off while it is busy, and says how late it is", async () => {
  lateMs = 150;
  const { STARTED } = AnnounceEvent;
  await expect(tracker.client().announce({ event: STARTED, port: 1, torrents: [torrent] })).rejects.toThrow();
  const metrics = await samples();
  expect(metrics.get('pieza_tracker_announces_shed_total{event="started"}')).toBe(1);
  expect(metrics.get("pieza_tracker_event_loop_delay_seconds")).toBe(0.15);
  expect(metrics.get("pieza_tracker_leases")).toBe(0);
});

it("has as many samples after any number of callers, torrents, zones and names: no label is theirs to choose", async () => {
  await live("127.0.0.1");
  await live("203.0.113.9");
  await tracker
    .client()
    .locatePieces({ infoHash: torrent.infoHash })
    .catch(() => {});
  const before = await samples();
  for (let n = 0; n < 50; n++) {
    await live(`127.0.1.${n}`, `zone "} ${n}`);
    await tracker
      .client()
      .locatePieces({ fileName: `name\n${n}`, zone: `${n}` })
      .catch(() => {});
    await tracker
      .client()
      .announce({ event: (1_000 + n) as AnnounceEvent, port: n })
      .catch(() => {});
  }
  const after = await samples();
  expect([...after.keys()]).toEqual([...before.keys()]);
  expect(after.get('pieza_tracker_announces_total{event="started"}')).toBe(52);
});
