import { readFile } from "node:fs/promises";
import tls from "node:tls";
import type { Request, Response } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";
import { startToldTracker, type Told } from "../../support/swarms/told-tracker.ts";
import { type CertificatePaths, TestAuthority } from "../../support/wire/certificates.ts";

const MiB = 1 << 20;
/** What a browser has to an origin over HTTP/1.1. */
const HTTP1_CONNECTIONS = 6;

describe("a tab on an https page", () => {
  const trusted = tls.getCACertificates("default");
  let authority: TestAuthority;
  let certificate: CertificatePaths;
  let swarm: LocalSwarm;
  let browser: PageDriver;

  beforeAll(async () => {
    authority = await TestAuthority.make();
    certificate = await authority.issue();
    tls.setDefaultCACertificates([...trusted, await readFile(authority.ca, "utf8")]);
    swarm = await LocalSwarm.start({
      PIEZA_TLS_CERT: certificate.tlsCert,
      PIEZA_TLS_KEY: certificate.tlsKey,
      PIEZA_CA: authority.ca,
    });
    browser = await PageDriver.start({ anyCertificate: true });
  });
  afterAll(async () => {
    tls.setDefaultCACertificates(trusted);
    await browser?.stop();
    await swarm?.stop();
    await authority?.remove();
  });

  /** Publishes a file that a peer over TLS serves; returns the peer's URL. */
  async function seeded(name: string, length: number, ...flags: string[]): Promise<string> {
    await writeRandomFile(swarm.path(name), length);
    await swarm.publish(name, ...flags);
    return (await swarm.peer(`peer-of-${name}`, name, undefined, "0", "--limit-upload", "8MiB")).url();
  }

  async function expectSaved(name: string, download: DownloadOnPage): Promise<void> {
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
    expect(browser.problems).toEqual([]);
  }

  it("takes pieces over HTTP/2, more than six at once", async () => {
    const name = "sealed.bin";
    // Small pieces: what is under way at once is what the path takes.
    const peerUrl = await seeded(name, 8 * MiB, "--piece-length", "16KiB");
    const page = await browser.open(swarm.catalogUrl);
    const pieces: Response[] = [];
    page.on("response", (response) => {
      if (response.url() === `${peerUrl}/pieza.v1.PeerService/GetPiece`) pieces.push(response);
    });
    const underWay = new Set<Request>();
    let most = 0;
    page.on("request", (request) => {
      if (!request.url().endsWith("/GetPiece") || request.method() !== "POST") return;
      most = Math.max(most, underWay.add(request).size);
    });
    page.on("requestfinished", (request) => underWay.delete(request));
    page.on("requestfailed", (request) => underWay.delete(request));

    const download = await new DownloadOnPage(page, name).start();
    await download.becomes("Complete");
    expect([page.url(), swarm.trackerUrl, peerUrl].every((url) => url.startsWith("https:"))).toBe(true);
    expect(pieces.length).toBeGreaterThanOrEqual(512);
    const spoken = await Promise.all(pieces.map((response) => response.httpVersion()));
    expect([...new Set(spoken)]).toEqual(["HTTP/2.0"]);
    console.log(`${most} pieces asked for at once`);
    expect(most).toBeGreaterThan(HTTP1_CONNECTIONS);
    await expectSaved(name, download);
  });

  it("names an http peer that it cannot use and why, and takes the file from the one with https", async () => {
    const name = "both.bin";
    const plain = "http://192.0.2.7:50051";
    const told: Told = { peers: [plain] };
    const tracker = await startToldTracker(told, certificate);
    try {
      told.peers.push(await seeded(name, 2 * MiB, "--tracker", tracker.url));
      const page = await browser.open(swarm.catalogUrl);
      const download = await new DownloadOnPage(page, name).start();
      await download.becomes("Complete");
      const row = download.card.locator("tbody tr").filter({ hasText: new URL(plain).host });
      expect(await row.textContent()).toMatch(/an https page cannot use a peer without https/);
      await expectSaved(name, download);
    } finally {
      await tracker.close({ graceMs: 0 });
    }
  });
});
