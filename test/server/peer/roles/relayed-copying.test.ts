import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import type { Announced, PieceRanges, Tracker } from "#core/ports/tracker.ts";
import { RelayedCopying } from "../../../../server/peer/roles/relayed-copying.ts";
import { type AllNews, roleFiles, type TrackerAnswers } from "../../../../server/peer/roles/role-files.ts";
import { ToldFile } from "../../../../server/peer/roles/told-file.ts";

const infoHash = "b".repeat(64);
const tracker = { url: "http://tracker" } as Tracker;
const torrent = {
  infoHash,
  totalPieces: 8,
  fileName: "file.bin",
  revision: 1,
  bitfield: Bitfield.of(8, [0, 1, 2, 3]),
};
const grant: PieceRanges = { infoHash, totalPieces: 8, ranges: [{ first: 1, last: 2 }] };

let folder: string;
let nowMs: number;
let grantedTimes: number;
let replicate: ToldFile<AllNews>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-roles-"));
  nowMs = 1_000_000;
  grantedTimes = 0;
  replicate = new ToldFile(roleFiles(folder).news);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const fail = (error: unknown) => {
  throw error;
};
async function relay(): Promise<RelayedCopying> {
  const onGranted = () => {
    grantedTimes++;
  };
  const copying = new RelayedCopying(folder, fail, onGranted, () => nowMs);
  await copying.start();
  return copying;
}

const answered = (news: Partial<Announced> = {}): Announced => ({
  lease: { id: "lease", secret: "secret" },
  trackerId: "one",
  nextAnnounceMs: 4_000,
  listed: true,
  notListedReason: "",
  url: "http://peer",
  resend: [],
  ...news,
});

const volunteer = { capacityBytes: 10, freeBytes: 5, bytesPerSecond: 0 };
const says = (heard: number) =>
  replicate.tell({ atMs: nowMs, trackers: { [tracker.url]: { heard, news: { volunteer } } } });

async function answersFile(): Promise<TrackerAnswers> {
  return JSON.parse(await readFile(roleFiles(folder).answers, "utf8"));
}

test("what a tracker orders reaches the process that replicates, and what that says the tracker", async () => {
  const copying = await relay();
  expect(copying.say(tracker.url), "before anything was said").toEqual({});
  const order = { ...grant, id: "order", sources: ["http://source"], expiresMs: 30_000 };
  copying.hear(tracker, answered({ orders: [order] }));
  await vi.waitFor(async () =>
    expect((await answersFile())[tracker.url]).toMatchObject({
      url: tracker.url,
      number: 1,
      answer: { orders: [order] },
    }),
  );
  await says(1);
  await copying.readNews();
  expect(copying.say(tracker.url)).toEqual({ volunteer });
});

test("lends nothing while nobody replicates", async () => {
  const copying = await relay();
  await says(0);
  await copying.readNews();
  nowMs += 14_000;
  expect(copying.say(tracker.url)).toEqual({ volunteer });
  nowMs += 2_000;
  expect(copying.say(tracker.url)).toEqual({});
});

test("what was granted is announced no more until it is gone, a restart of the announcer included", async () => {
  const first = await relay();
  first.hear(tracker, answered());
  expect(grantedTimes).toBe(0);
  first.hear(tracker, answered({ grants: [grant] }));
  expect(grantedTimes, "told before anything else is announced").toBe(1);
  expect([...first.announced(torrent).bitfield!]).toEqual([0, 3]);
  await first.stop();
  const second = await relay();
  expect([...second.announced(torrent).bitfield!]).toEqual([0, 3]);
  // Heard by the process that lets go; from then on it has five seconds to do so, or to keep it after all.
  await says(2);
  await second.readNews();
  nowMs += 4_000;
  await second.readNews();
  expect([...second.announced(torrent).bitfield!]).toEqual([0, 3]);
  nowMs += 2_000;
  await second.readNews();
  expect([...second.announced(torrent).bitfield!]).toEqual([0, 1, 2, 3]);
});

test("the announced pieces of other torrents are what is served", async () => {
  const copying = await relay();
  copying.hear(tracker, answered({ grants: [grant] }));
  const other = { ...torrent, infoHash: "c".repeat(64) };
  expect(copying.announced(other)).toBe(other);
  await copying.stop();
});
