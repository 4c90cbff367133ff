import type { Locator, Page } from "playwright-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../../support/free-port.ts";
import { PageDriver } from "../../support/page/page-driver.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import type { PiezaProcess } from "../../support/processes/pieza-process.ts";
import { writeRandomFile } from "../../support/swarms/local-swarm.ts";
import { UploadSwarm, uploadToken } from "../../support/swarms/upload-swarm.ts";

const name = "first try.bin";

describe("publishing from a tab where something is not set up says what to type", () => {
  let uploads: UploadSwarm;
  let browser: PageDriver;
  let page: Page;
  let card: Locator;

  beforeEach(async () => {
    uploads = await UploadSwarm.start(1);
    browser = await PageDriver.start();
    await writeRandomFile(uploads.swarm.path(name), 300_000);
  });
  afterEach(async ({ task }) => {
    expect(browser.problems).toEqual([]);
    await browser.stop(task);
    await uploads.stop();
  });

  async function publish(catalogUrl: string, state = "Not stored"): Promise<void> {
    page = await browser.open(`${catalogUrl}/#token=${uploadToken}`);
    await page.locator('input[type="file"][multiple]').setInputFiles(uploads.swarm.path(name));
    card = page.getByRole("article", { name, exact: true });
    await becomes(state);
  }

  const becomes = (state: string) => card.locator(".state").getByText(state, { exact: true }).waitFor();

  async function triedAgain(): Promise<void> {
    await card.getByRole("button", { name: "Try again" }).click();
    await becomes("Shared");
    expect(await card.locator("pre").count()).toBe(0);
  }

  /** Types the line that the page shows, with the token, at a port of this test. */
  async function typed(n: number, port: string | number, ...more: string[]): Promise<PiezaProcess> {
    const line = (await card.locator("pre").nth(n).textContent())!.replace("TOKEN", uploadToken);
    const [program, ...args] = line.trim().split(" ");
    expect(program).toBe("pieza");
    const process = uploads.swarm.run(`typed-${n}`, [...args, "--port", String(port), ...more], {
      PIEZA_TOKEN: undefined,
    });
    await process.url();
    return process;
  }

  /** The peer whose address the catalog names. */
  async function namedPeer(...flags: string[]): Promise<PiezaProcess> {
    const peer = uploads.swarm.run("named", [
      ...["peer", "--port", uploads.port(0), ...uploads.swarm.trackerFlag],
      ...(flags.includes("--catalog") ? [] : ["--catalog", uploads.catalogUrl]),
      ...flags,
    ]);
    await peer.url();
    return peer;
  }

  it("where the catalog names no peer for uploads", async () => {
    const { swarm } = uploads;
    const port = String(await freePort());
    const flags = ["catalog", "--port", port, ...swarm.trackerFlag];
    const catalog = swarm.run("bare", flags);
    const url = await catalog.url();
    await publish(url);
    await card.getByText("This catalog names no peer that takes uploads").waitFor();
    await pictureState(page, "31-no-upload-peer");
    const peer = await typed(0, 0);
    const line = (await card.locator("pre").nth(1).textContent())!;
    expect(line.trim()).toBe("pieza catalog --upload-peer http://PEER:50051");
    await catalog.stop();
    await swarm.run("bare", [...flags, "--upload-peer", await peer.url()]).url();
    await triedAgain();
  });

  it("where nothing is missing: a peer lets in the page of its own catalog", async () => {
    await namedPeer("--accept-uploads", "1GB");
    await publish(uploads.catalogUrl, "Shared");
  });

  it("where the peer has a token of its own", async () => {
    const flags = ["--accept-uploads", "1GB", "--allow-origin", uploads.catalogUrl];
    const peer = await namedPeer(...flags, "--token", "of-its-own");
    await publish(uploads.catalogUrl);
    await card.getByText("its token is not that of this catalog").waitFor();
    await peer.stop();
    await typed(0, uploads.port(0));
    await triedAgain();
  });

  it("where the peer takes no uploads", async () => {
    const peer = await namedPeer("--volunteer", "1GB", "--allow-origin", uploads.catalogUrl);
    await publish(uploads.catalogUrl);
    await card.getByText("it takes no uploads").waitFor();
    await peer.stop();
    await typed(0, uploads.port(0));
    await triedAgain();
  });

  it("where the peer is one of another catalog", async () => {
    const flags = ["--accept-uploads", "1GB", "--allow-origin", uploads.catalogUrl];
    const peer = await namedPeer(...flags, "--catalog", uploads.swarm.catalogUrl);
    await publish(uploads.catalogUrl);
    await card.getByText("it knows no catalog that has this torrent").waitFor();
    await peer.stop();
    await typed(0, uploads.port(0));
    await triedAgain();
  });

  it("but not where the peer is only away", async () => {
    await publish(uploads.catalogUrl);
    await card.getByText("cannot be reached").waitFor();
    expect(await card.locator("pre").count()).toBe(0);
  });
});
