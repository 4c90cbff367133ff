import { afterEach, beforeEach, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";
import { startTestPeer } from "../../support/swarms/test-peer.ts";
import { startToldTracker } from "../../support/swarms/told-tracker.ts";
import { conducts, type HostilePeer, startHostilePeer } from "../../support/wire/hostile-peers.ts";

const MiB = 1 << 20;
const PIECES = 24;
const name = "announced.bin";

let swarm: LocalSwarm;
let browser: PageDriver;
const ends: (() => unknown)[] = [];

beforeEach(async () => {
  swarm = await LocalSwarm.start();
  browser = await PageDriver.start();
});
afterEach(async ({ task }) => {
  await browser?.stop(task);
  for (const end of ends.splice(0)) await end();
  await swarm?.stop();
});

async function liar(does: string): Promise<HostilePeer> {
  const peer = await startHostilePeer(conducts.find((conduct) => conduct.does === does)!);
  ends.push(() => peer.close());
  return peer;
}

it("a tab is not made to take memory by peers that announce 4 GiB or never end, and bans them", async () => {
  const liars = [await liar("announces 4 GiB and sends nothing of it"), await liar("never ends its answer")];
  const told = { peers: liars.map(({ url }) => url) };
  const tracker = await startToldTracker(told);
  ends.push(() => tracker.close({ graceMs: 0 }));
  await writeRandomFile(swarm.path(name), PIECES * MiB);
  await swarm.publish(name, "--tracker", tracker.url);

  const page = await browser.open(swarm.catalogUrl);
  const before = await browser.memoryBytes();
  const download = await new DownloadOnPage(page, name).start();
  const rowOf = ({ url }: HostilePeer) =>
    download.card.locator("tbody tr").filter({ hasText: new URL(url).host });
  let most = before;
  const look = async () => {
    most = Math.max(most, await browser.memoryBytes());
  };
  const lookAt = async (liar: HostilePeer) => {
    await look();
    return rowOf(liar).textContent();
  };
  // Alone with the liars, the tab asks each of them and bans both.
  for (const liar of liars) {
    await expect.poll(() => lookAt(liar), { timeout: 60_000 }).toContain("banned");
    expect(liar.asked()).toBeGreaterThan(0);
  }
  told.peers.push(await swarm.run("honest", ["peer", swarm.path(name), "--port", "0"]).url());
  await download.becomes("Complete");
  await look();
  console.log(`all of the browser grew by ${Math.round((most - before) / MiB)} MiB at most`);
  // A page that believed would need 4 GiB; the file itself has 24 MiB.
  expect(most - before).toBeLessThan(512 * MiB);
  for (const liar of liars) expect(await rowOf(liar).textContent()).toMatch(/banned.*0\s*$/s);
  expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
  expect(browser.problems).toEqual([]);
});

it("a tab takes no piece that is not what the torrent says, and bans who sent it", async () => {
  const lying = await startTestPeer({
    getPiece: () => new Uint8Array(1 << 16),
    getBitfield: () => ({ totalPieces: 4, bitfield: Bitfield.of(4, [0, 1, 2, 3]).toBytes() }),
  });
  ends.push(() => lying.close({ graceMs: 0 }));
  const told = { peers: [lying.url] };
  const tracker = await startToldTracker(told);
  ends.push(() => tracker.close({ graceMs: 0 }));
  await writeRandomFile(swarm.path(name), 4 << 16);
  await swarm.publish(name, "--piece-length", "64KiB", "--tracker", tracker.url);
  const page = await browser.open(swarm.catalogUrl);
  const download = await new DownloadOnPage(page, name).start();
  const row = download.card.locator("tbody tr").filter({ hasText: new URL(lying.url).host });
  await row.getByText("banned").waitFor();
  expect(await download.heldPercent()).toBe(0);
  told.peers.push(await swarm.run("honest", ["peer", swarm.path(name), "--port", "0"]).url());
  await download.becomes("Complete");
  expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
  expect(browser.problems).toEqual([]);
});
