import { once } from "node:events";
import { copyFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { Page, Request } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";
import { startToldTracker, type Told } from "../../support/swarms/told-tracker.ts";

const markup = `<img src=x onerror="window.hit=1">"><svg/onload=window.hit=1>{{7*7}}\u202Etxt.exe`;

describe("the page's guards", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;

  beforeAll(async () => {
    swarm = await LocalSwarm.start();
    await writeRandomFile(swarm.path("plain.bin"), 200_000);
    await swarm.publish("plain.bin", "--piece-length", "64KiB", "--comment", markup);
    await swarm.peer("seed", "plain.bin");
  });
  afterAll(() => swarm?.stop());
  beforeEach(async () => {
    browser = await PageDriver.start({ hosts: ["pieza.test"] });
  });
  afterEach(({ task }) => browser.stop(task));

  const wasHit = (page: Page) => page.evaluate(() => "hit" in window);

  it("shows markup from outside as text, in the list and on its own", async () => {
    const page = await browser.open(swarm.catalogUrl);
    await page.getByText(markup, { exact: true }).waitFor();
    await page.goto(`${swarm.catalogUrl}/#/t/plain.bin`);
    await page.getByRole("heading", { name: "plain.bin" }).waitFor();
    expect(await page.getByText(markup, { exact: true }).count()).toBe(2);
    await page.goto(`${swarm.catalogUrl}/#/t/${encodeURIComponent(markup)}`);
    await page.getByText("This catalog has no such torrent.").waitFor();
    await page.getByRole("searchbox").fill(`${markup} elsewhere`);
    await page.getByText(/^No torrent matches/).waitFor();
    expect(await wasHit(page)).toBe(false);
    expect(browser.problems).toEqual([]);
  });

  it("does not take markup that a script tries to slip in", async () => {
    const page = await browser.open(swarm.catalogUrl);
    await page.getByRole("heading", { name: "Catalog" }).waitFor();
    const thrown = await page.evaluate(() => {
      try {
        document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hit=1'>");
        return "";
      } catch (error) {
        return (error as Error).name;
      }
    });
    expect(thrown).toBe("TypeError");
    expect(await wasHit(page)).toBe(false);
  });

  it("takes the token out of the address bar and keeps it", async () => {
    const page = await browser.open(`${swarm.catalogUrl}/#token=s%2Fecret`);
    await page.getByRole("heading", { name: "Catalog" }).waitFor();
    expect(page.url()).toBe(`${swarm.catalogUrl}/`);
    expect(await page.evaluate(() => localStorage.getItem("pieza.token"))).toBe("s/ecret");
  });

  it("asks before a link replaces the token that it keeps", async () => {
    const kept = (page: Page) => page.evaluate(() => localStorage.getItem("pieza.token"));
    const question = "The link that you opened has another token";
    const page = await browser.open(`${swarm.catalogUrl}/#token=first`);
    await page.getByRole("heading", { name: "Catalog" }).waitFor();
    await page.goto(`${swarm.catalogUrl}/#token=first`);
    expect(await page.getByText(question).count()).toBe(0);

    await page.goto(`${swarm.catalogUrl}/#/t/plain.bin&token=second`);
    await page.getByText(question).waitFor();
    expect(page.url()).toBe(`${swarm.catalogUrl}/#/t/plain.bin`);
    expect(await kept(page)).toBe("first");
    await pictureState(page, "34-another-token");
    await page.getByRole("button", { name: "Keep the one here" }).click();
    await page.getByText(question).waitFor({ state: "detached" });
    expect(await kept(page)).toBe("first");

    await page.reload();
    expect(await kept(page)).toBe("first");
    const other = await browser.open(`${swarm.catalogUrl}/#token=second`);
    await other.getByRole("button", { name: "Use the one of the link" }).click();
    await other.getByText(question).waitFor({ state: "detached" });
    expect(await kept(page)).toBe("second");
    expect(browser.problems).toEqual([]);
  });

  it("tells nobody where it comes from, and asks only those it was told of", async () => {
    const name = "guarded.bin";
    const told: Told = { peers: [] };
    const tracker = await startToldTracker(told);
    // A device of the person's own network, to which a peer sends on; and an address with more than an address in it.
    const reached: string[] = [];
    const device = await listening((request, response) => {
      reached.push(`${request.method} ${request.url}`);
      response.end();
    });
    const deviceUrl = `http://127.0.0.1:${portOf(device)}`;
    const sender = await listening((request, response) => {
      const open = { "access-control-allow-origin": "*", "access-control-allow-headers": "*" };
      if (request.method === "OPTIONS") response.writeHead(204, open).end();
      else response.writeHead(307, { ...open, location: `${deviceUrl}/sent-on` }).end();
    });
    try {
      await copyFile(swarm.path("plain.bin"), swarm.path(name));
      await swarm.publish(name, "--piece-length", "64KiB", "--tracker", tracker.url);
      const honest = await swarm.run("guarded", ["peer", swarm.path(name), "--port", "0"]).url();
      const senderUrl = `http://127.0.0.1:${portOf(sender)}`;
      told.peers = [senderUrl, `${deviceUrl}/reboot?now=1#`, honest];
      const page = await browser.open("about:blank");
      await page
        .context()
        .addCookies(
          [swarm.catalogUrl, tracker.url, honest].map((url) => ({ name: "who", value: "me", url })),
        );
      const asked: Request[] = [];
      page.context().on("request", (request) => asked.push(request));
      await page.goto(swarm.catalogUrl);
      await (await new DownloadOnPage(page, name).start()).becomes("Complete");
      // The browser has something to tell: it does so when a person opens the page.
      expect((await asked[0]!.allHeaders()).cookie).toBe("who=me");
      const fetched = asked.filter((request) => request.resourceType() === "fetch");
      const servers = new Set(fetched.map((request) => new URL(request.url()).origin));
      expect(servers).toContain(senderUrl);
      servers.delete(senderUrl);
      expect([...servers].sort()).toEqual([swarm.catalogUrl, tracker.url, honest].sort());
      for (const request of fetched) {
        expect(new URL(request.url()).pathname).toMatch(/^\/(pieza\.v1\.\w+\/\w+)?$/);
        const { cookie = "", referer = "" } = await request.allHeaders();
        expect({ cookie, referer }, request.url()).toEqual({ cookie: "", referer: "" });
      }
      expect(reached).toEqual([]);
    } finally {
      await tracker.close({ graceMs: 0 });
      for (const server of [device, sender]) await closed(server);
    }
  });

  it("says why it keeps to memory where the browser calls it insecure, and still verifies", async () => {
    const catalog = swarm.run("insecure", [
      ...["catalog", "--port", "0", "--allowed-host", "pieza.test", ...swarm.trackerFlag],
    ]);
    const port = new URL(await catalog.url()).port;
    await swarm.done("publisher", [
      "publish",
      swarm.path("plain.bin.json"),
      "--catalog",
      await catalog.url(),
    ]);
    const page = await browser.open(`http://pieza.test:${port}/`);
    await page.getByText("This page was opened without https").waitFor();
    const download = await new DownloadOnPage(page, "plain.bin").start();
    await download.becomes("Complete");
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path("plain.bin")));
    expect(browser.problems).toEqual([]);
  });

  it("is worked by the keyboard: the map says piece by piece where each came from", async () => {
    const page = await browser.open(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, "plain.bin").start();
    await download.becomes("Complete");
    const map = download.card.getByRole("slider", { name: "Piece map" });
    await map.focus();
    await page.keyboard.press("End");
    expect(await map.getAttribute("aria-valuetext")).toMatch(
      /^Piece 4 of 4: from peer 1 \(http:\/\/127\.0\.0\.1:\d+\)$/,
    );
  });

  it("speaks Spanish to whoever asks for it", async () => {
    const page = await browser.open(swarm.catalogUrl);
    await page.getByRole("combobox", { name: "Language" }).selectOption("es");
    await page.getByRole("heading", { name: "Catálogo" }).waitFor();
    expect(await page.evaluate(() => document.documentElement.lang)).toBe("es");
    await page.reload();
    await page.getByRole("heading", { name: "Catálogo" }).waitFor();
  });
});

async function listening(onRequest: RequestListener): Promise<Server> {
  const server = createServer(onRequest).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  return (server.address() as { port: number }).port;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
