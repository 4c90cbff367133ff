import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { LocalSwarm, sent, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";
import { startToldTracker, type Told } from "../../support/swarms/told-tracker.ts";
import { TestAuthority } from "../../support/wire/certificates.ts";

const MiB = 1 << 20;
const markup = `<img src=x onerror="window.hit=1">{{7*7}}`;

describe("a tab and a network that is not as it should be", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;
  const ends: (() => unknown)[] = [];

  beforeAll(async () => {
    swarm = await LocalSwarm.start();
  });
  afterAll(() => swarm?.stop());
  beforeEach(async () => {
    browser = await PageDriver.start({ anyCertificate: true, hosts: ["pieza.test"] });
  });
  afterEach(async ({ task }) => {
    await browser.stop(task);
    for (const end of ends.splice(0)) await end();
  });

  /** A tracker that names whom it is told to, and a file whose torrent knows no other. */
  async function toldSwarm(name: string, told: Told): Promise<string> {
    const tracker = await startToldTracker(told);
    ends.push(() => tracker.close({ graceMs: 0 }));
    await writeRandomFile(swarm.path(name), 4 * MiB);
    await swarm.publish(name, "--tracker", tracker.url);
    return tracker.url;
  }

  it("pauses while there is no network, and goes on by itself when there is", async () => {
    const name = "tunnel.bin";
    await writeRandomFile(swarm.path(name), 24 * MiB);
    await swarm.publish(name);
    await swarm.peer("slow", name, undefined, "0", "--limit-upload", "6MiB");
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    await expect.poll(() => download.heldPercent(), { timeout: 30_000 }).toBeGreaterThan(10);
    await page.context().setOffline(true);
    await page.getByText("You are offline.").waitFor();
    await download.becomes("Waiting for peers");
    expect(await download.heldPercent()).toBeLessThan(90);

    const backMs = performance.now();
    await page.context().setOffline(false);
    await download.becomes("Downloading");
    console.log(`asked again ${Math.round(performance.now() - backMs)} ms after the network was back`);
    await download.becomes("Complete");
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
    expect(browser.problems).toEqual([]);
  });

  it("names the peers that it cannot use and why, as text, and takes the file from the one it can", async () => {
    const name = "crowd.bin";
    const told: Told = { peers: [] };
    await toldSwarm(name, told);
    const honest = await swarm.run("honest", ["peer", swarm.path(name), "--port", "0"]).url();
    // A server that knows nothing of us: no page may read its answers.
    const stranger = createServer((_, response) => response.end(markup)).listen(0, "127.0.0.1");
    ends.push(() => closed(stranger));
    await once(stranger, "listening");
    const port = (stranger.address() as { port: number }).port;
    told.peers = [
      `http://127.0.0.1:1/${markup}`,
      `http://127.0.0.1:${port}`,
      `https://127.0.0.1:${port}`,
      `javascript:${markup}`,
    ];
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    const troubled = download.card.locator("tbody tr").filter({ hasText: /cannot be reached|skipped/ });
    await expect.poll(() => troubled.count(), { timeout: 30_000 }).toBeGreaterThan(1);
    told.peers.push(honest);
    await download.becomes("Complete");
    const rows = await download.card.locator("tbody tr").allTextContents();
    expect(rows.find((row) => row.includes(new URL(honest).host))).toMatch(/4\s*$/);
    expect(await page.evaluate(() => "hit" in window)).toBe(false);
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
    expect(browser.problems).toEqual([]);
  });

  it("shows what a tracker's error says as text, and asks again", async () => {
    const name = "stubborn.bin";
    const told: Told = { peers: [], error: markup };
    await toldSwarm(name, told);
    const honest = await swarm.run("late", ["peer", swarm.path(name), "--port", "0"]).url();
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    await download.card.getByText(markup).first().waitFor();
    expect(await page.evaluate(() => "hit" in window)).toBe(false);
    delete told.error;
    told.peers = [honest];
    await download.becomes("Complete");
    expect(browser.problems).toEqual([]);
  });

  it("says on an https page that peers without https are of no use to it", async () => {
    const authority = await TestAuthority.make();
    ends.push(() => authority.remove());
    const { tlsCert, tlsKey } = await authority.issue({ names: "DNS:pieza.test,IP:127.0.0.1" });
    const name = "plain-only.bin";
    const told: Told = { peers: ["http://192.0.2.7:50051"] };
    const trackerUrl = await toldSwarm(name, told);
    const catalog = swarm.run("secure-catalog", [
      ...["catalog", "--port", "0", "--tracker", trackerUrl],
      ...["--tls-cert", tlsCert, "--tls-key", tlsKey, "--allowed-host", "pieza.test"],
    ]);
    const { port } = new URL(await catalog.url());
    const ca = ["--ca", authority.ca];
    await swarm.done("secure-publisher", [
      ...["publish", swarm.path(`${name}.json`), "--catalog", `https://127.0.0.1:${port}`, ...ca],
    ]);
    const page = await browser.open(`https://pieza.test:${port}/`);
    expect(await page.evaluate(() => isSecureContext)).toBe(true);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Waiting for peers");
    await download.card.getByText("an https page cannot use a peer without https").first().waitFor();
    expect(browser.problems).toEqual([]);
  });
});

it("a tab is kept out of the local network until the person lets it in: the page says so, then goes on by itself", async ({
  task,
}) => {
  const authority = await TestAuthority.make();
  const swarm = await LocalSwarm.start();
  const certificate = await authority.issue({ names: "DNS:pieza.test,IP:127.0.0.1" });
  const told: Told = { peers: [] };
  const tracker = await startToldTracker(told, { ...certificate, allowedHosts: ["pieza.test"] });
  const trackerPort = new URL(tracker.url).port;
  const name = "next-door.bin";
  await writeRandomFile(swarm.path(name), 4 * MiB);
  await swarm.publish(name, "--tracker", `https://pieza.test:${trackerPort}`);
  const peer = swarm.run("next-door", ["peer", swarm.path(name), "--port", "0"]);
  told.peers = [await peer.url()];
  const catalog = swarm.run("far-catalog", [
    ...["catalog", "--port", "0", "--allowed-host", "pieza.test"],
    ...["--tls-cert", certificate.tlsCert, "--tls-key", certificate.tlsKey],
  ]);
  const { port } = new URL(await catalog.url());
  await swarm.done("far-publisher", [
    ...[
      "publish",
      swarm.path(`${name}.json`),
      "--catalog",
      `https://127.0.0.1:${port}`,
      "--ca",
      authority.ca,
    ],
  ]);
  const browser = await PageDriver.start({
    anyCertificate: true,
    hosts: ["pieza.test"],
    publicPorts: [port, trackerPort],
  });
  try {
    const page = await browser.open(`https://pieza.test:${port}/`);
    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Waiting for peers");
    const row = download.card.locator("tbody tr").filter({ hasText: new URL(await peer.url()).host });
    await row.getByText("this browser keeps the page out of the local network").waitFor({ timeout: 15_000 });
    expect(sent(peer)).toEqual([]);

    await page.context().grantPermissions(["local-network-access"]);
    await download.becomes("Complete");
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
    expect(browser.problems).toEqual([]);
  } finally {
    await browser.stop(task);
    await tracker.close({ graceMs: 0 });
    await swarm.stop();
    await authority.remove();
  }
});

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
