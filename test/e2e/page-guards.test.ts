import AxeBuilder from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LocalSwarm, sha256sum, writeRandomFile } from "../support/local-swarm.ts";
import { DownloadOnPage, PageDriver } from "../support/page-driver.ts";

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
    await page.getByText(/^Nothing here is called/).waitFor();
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

  it("tells nobody where it comes from, and asks only those it was told of", async () => {
    const page = await browser.open("about:blank");
    const asked = new Map<string, Record<string, string>>();
    page.context().on("request", (request) => asked.set(request.url(), request.headers()));
    await page.goto(swarm.catalogUrl);
    await (await new DownloadOnPage(page, "plain.bin").start()).becomes("Complete");
    expect(asked.size).toBeGreaterThan(5);
    for (const [url, headers] of asked) {
      expect(new URL(url).hostname, url).toBe("127.0.0.1");
      expect(headers.cookie ?? "", url).toBe("");
      expect(headers.referer ?? "", url).toBe("");
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

  it.each(["light", "dark"] as const)(
    "gives axe nothing to say in %s, and fits 360 pixels",
    async (scheme) => {
      const page = await browser.open("about:blank");
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width: 360, height: 740 });
      await page.goto(`${swarm.catalogUrl}/#/t/plain.bin`);
      await page.getByRole("button", { name: "Download", exact: true }).click();
      await new DownloadOnPage(page, "plain.bin").becomes("Complete");
      const found = await new AxeBuilder({ page: page as never }).analyze();
      expect(
        found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
      ).toEqual([]);
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(tooWide).toBeLessThanOrEqual(0);
    },
  );

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
