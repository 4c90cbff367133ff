import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { AnnounceRole } from "../../../../server/peer/roles/announce-role.ts";
import { ReplicateRole } from "../../../../server/peer/roles/replicate-role.ts";
import { roleFiles } from "../../../../server/peer/roles/role-files.ts";
import { ToldFile } from "../../../../server/peer/roles/told-file.ts";
import { OrderingTracker } from "../../../support/swarms/ordering-tracker.ts";

/** A port that nothing listens on here: it names the folder of the peer. */
const port = 1;
const soon = { timeout: 60_000, interval: 20 };
/** Time for an answer's way to the replicating part and back, over files that are looked at every 250 ms. */
const nextAnnounceMs = 1_500;

let dataDir: string;
const ends: (() => unknown)[] = [];
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "pieza-roles-"));
  ends.push(() => rm(dataDir, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const files = () => roleFiles(join(dataDir, `peer-${port}`));

/** The announcing and the replicating part of a peer that serves nothing and knows no torrent. */
async function startParts(...trackers: OrderingTracker[]): Promise<void> {
  await new ToldFile(files().serving).tell({ host: "127.0.0.1", port, tls: false });
  const volunteer = { catalogs: [], capacityBytes: 1 << 20 };
  const replicate = await ReplicateRole.start({ dataDir, port, volunteer });
  ends.push(() => replicate.close());
  const announce = await AnnounceRole.start({ dataDir, port, trackers: trackers.map(({ url }) => url) });
  ends.push(() => announce.close());
}

async function trackerWithId(id: string): Promise<OrderingTracker> {
  const tracker = await OrderingTracker.start(id);
  ends.push(() => tracker.close());
  return tracker;
}

const order = (orderId: string) => ({
  orderId,
  infoHash: "a".repeat(64),
  totalPieces: 1,
  ranges: [{ first: 1, last: 1 }],
  sources: [],
  expiresMs: 30_000,
});
const declined = (tracker: OrderingTracker) => tracker.last?.declined.map(({ orderId }) => orderId);

const ids = [
  "version",
  "__proto__",
  "constructor",
  "toString",
  "",
  "1",
  "../x",
  "\u001b[2J",
  "x".repeat(100_000),
];

it("the parts of a peer exchange the orders of each tracker, whatever id it says it has", async () => {
  const trackers = await Promise.all(ids.map(trackerWithId));
  for (const tracker of trackers)
    tracker.answer = { nextAnnounceMs, orders: [order("version"), order("__proto__")] };
  await startParts(...trackers);
  for (const tracker of trackers) {
    await expect.poll(() => declined(tracker), soon).toEqual(["version", "__proto__"]);
    expect(tracker.last?.volunteer?.capacityBytes).toBe(1n << 20n);
  }
});

it("a tracker with another id in every answer takes the place of one tracker", async () => {
  const [changing, steady] = [await trackerWithId("0"), await trackerWithId("steady")];
  changing.answer = () => {
    changing.id = String(changing.heard.length);
    return { nextAnnounceMs, orders: [order("changing")] };
  };
  steady.answer = { nextAnnounceMs, orders: [order("steady")] };
  await startParts(changing, steady);
  await expect.poll(() => changing.heard.length, soon).toBeGreaterThan(4);
  await expect.poll(() => [declined(changing), declined(steady)], soon).toEqual([["changing"], ["steady"]]);
  expect(Object.keys(JSON.parse(await readFile(files().answers, "utf8")))).toHaveLength(3);
});
