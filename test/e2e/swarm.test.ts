import { afterEach, describe, expect, it } from "vitest";
import { downloadDefaults } from "#core/download/options.ts";
import { DownloadOnPage, PageDriver } from "../support/page/page-driver.ts";
import type { PiezaProcess } from "../support/processes/pieza-process.ts";
import { LocalSwarm, metric, sent, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const name = "big.bin";

/** Each holds half of 256 pieces, another half than the others; every piece has two holders. */
const halves = { a: "1-128", b: "65-192", c: "129-256", d: "1-64,193-256" };

/** Pieces of 1 MiB that a download may have under way. */
const mostInFlight = downloadDefaults.maxInFlightBytes / MiB;

/** How many pieces of 1 MiB a peer has sent, by its own /metrics. */
async function piecesSent(peer: PiezaProcess): Promise<number> {
  return (await metric(await peer.url(), "pieza_piece_bytes_sent_total")) / MiB;
}

const where = "from four peers at %s, each with another half, although one is killed with -9 in the middle";

describe.each(["127.0.0.1", "::1"])(`256 MiB ${where}`, (host) => {
  let swarm: LocalSwarm;
  let browser: PageDriver | undefined;
  afterEach(async () => {
    await browser?.stop();
    browser = undefined;
    await swarm.stop();
  });

  async function startFour(): Promise<[PiezaProcess, ...PiezaProcess[]]> {
    swarm = await LocalSwarm.start({ PIEZA_HOST: host });
    await writeRandomFile(swarm.path(name), 256 * MiB);
    await swarm.publish(name);
    const peers: PiezaProcess[] = [];
    for (const [peer, pieces] of Object.entries(halves)) peers.push(await swarm.peer(peer, name, pieces));
    return peers as [PiezaProcess, ...PiezaProcess[]];
  }

  /** Kills the first peer once it serves; returns how many pieces each of the others had sent by then. */
  async function killFirst([victim, ...living]: [PiezaProcess, ...PiezaProcess[]]): Promise<number[]> {
    await victim.until("8 pieces sent", () => sent(victim).length >= 8);
    victim.kill("SIGKILL");
    await victim.exit;
    return living.map((peer) => sent(peer).length);
  }

  /** Every living peer served, the others took over, and only what was under way was asked for twice. */
  async function expectShared(peers: PiezaProcess[], before: number[]): Promise<void> {
    const [victim, ...living] = peers;
    const counts = await Promise.all(living.map(piecesSent));
    expect(Math.min(...counts), "pieces from the peer that sent fewest").toBeGreaterThan(0);
    expect(sum(counts) - sum(before), "pieces sent after the kill").toBeGreaterThan(0);
    const twice = sent(victim!).length + sum(counts) - 256;
    expect(twice, "pieces sent more than once").toBeLessThanOrEqual(mostInFlight);
  }

  it.each(["auto", "grpc", "connect"])("arrive on the command line over %s", async (transport) => {
    const peers = await startFour();
    const flags = ["-o", swarm.path("got.bin"), "--transport", transport, ...swarm.trackerFlag];
    const get = swarm.run("leecher", ["get", swarm.path(`${name}.json`), ...flags]);
    const before = await killFirst(peers);
    expect(await get.finished(120_000), get.text).toBe(0);
    expect(await sha256sum(swarm.path("got.bin"))).toBe(await sha256sum(swarm.path(name)));
    await expectShared(peers, before);
  });

  it("arrive in a browser tab over gRPC-Web, and are saved", async () => {
    const peers = await startFour();
    browser = await PageDriver.start();
    const download = await new DownloadOnPage(await browser.open(swarm.catalogUrl), name).start();
    const before = await killFirst(peers);
    await download.becomes("Complete", 120_000);
    const saved = await download.save();
    expect(await sha256sum(saved.path)).toBe(await sha256sum(swarm.path(name)));
    await expectShared(peers, before);
  });
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
