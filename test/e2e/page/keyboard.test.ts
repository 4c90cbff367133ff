import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { LocalSwarm, readTorrentJson, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
/** Enough for a second part of the list of torrents, and of that of files. */
const MANY = 53;
/** More stops than lie between any two things in these tests. */
const MAX_STOPS = 70;

describe("the page by the keyboard alone", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;
  let page: Page;

  beforeAll(async () => {
    swarm = await LocalSwarm.start();
    await writeRandomFile(swarm.path("large.bin"), 4 * MiB);
    await swarm.publish("large.bin");
    // Half of it: a download that waits runs for as long as a test wants it to.
    await swarm.peer("half", "large.bin", "1-2");
    await mkdir(swarm.path("folder"));
    for (let n = 0; n < MANY; n++) await writeFile(join(swarm.path("folder"), `part ${n + 10}.txt`), `${n}`);
    await swarm.publish("folder");
    const torrent = await readTorrentJson(await swarm.publish("large.bin"));
    const torrents = swarm.path("data-catalog/catalog-0/torrents");
    expect(await readdir(torrents)).toHaveLength(2);
    for (let n = 0; n < MANY; n++) {
      const { info_hash: _, ...rest } = torrent;
      await writeFile(
        join(torrents, `item ${n + 10}.json`),
        JSON.stringify({ ...rest, file_name: `item ${n + 10}.bin` }),
      );
    }
    browser = await PageDriver.start();
  });
  afterAll(async () => {
    await browser?.stop();
    await swarm?.stop();
  });
  beforeEach(async () => {
    page = await browser.open(swarm.catalogUrl);
    await page.getByRole("button", { name: "Download folder" }).waitFor();
  });
  afterEach(async () => {
    expect(browser.problems).toEqual([]);
    await page.close();
  });

  const hasFocus = (target: Locator) => target.evaluate((element) => element === document.activeElement);
  const comesTo = (target: Locator) => expect.poll(() => hasFocus(target).catch(() => false)).toBe(true);

  /** Goes on, stop by stop, each of them marked for the eye, until it is there. */
  async function tabTo(target: Locator, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
    for (let stop = 0; stop < MAX_STOPS; stop++) {
      await page.keyboard.press(key);
      const mark = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement!);
        return `${document.activeElement!.outerHTML.slice(0, 80)} ${outlineStyle} ${outlineWidth}`;
      });
      if (!/<body|^<html/.test(mark)) expect(mark).toMatch(/(solid|auto) [2-9]px$/);
      if (await hasFocus(target).catch(() => false)) return;
    }
    throw new Error(`${MAX_STOPS} stops on, the keyboard is not at ${target}`);
  }

  it("a file is found, downloaded, paused, resumed and cancelled, and the keyboard is never lost", async () => {
    await page.keyboard.press("Tab");
    await comesTo(page.getByRole("link", { name: "Skip to the catalog" }));
    await page.keyboard.press("Enter");
    await tabTo(page.getByRole("searchbox"));
    await page.keyboard.type("large");
    await page.getByText("1 torrent", { exact: true }).waitFor();
    await tabTo(page.getByRole("button", { name: "Download large.bin" }));
    await page.keyboard.press("Enter");
    const download = new DownloadOnPage(page, "large.bin");
    await download.becomes("Waiting for peers");
    await comesTo(page.getByRole("region", { name: "Catalog" }).getByRole("link", { name: "Waiting" }));
    await page.keyboard.press("Enter");
    await comesTo(download.card);

    const button = (name: string) => download.card.getByRole("button", { name, exact: true });
    await tabTo(button("Pause"));
    await page.keyboard.press("Enter");
    await download.becomes("Paused");
    await comesTo(button("Resume"));
    await page.keyboard.press("Space");
    await download.becomes("Waiting for peers");
    await comesTo(button("Pause"));

    await tabTo(button("Cancel"));
    await page.keyboard.press("Enter");
    await comesTo(button("Keep"));
    await page.keyboard.press("Escape");
    await comesTo(button("Cancel"));
    await page.keyboard.press("Enter");
    await comesTo(button("Keep"));
    await tabTo(button("Delete"), "Shift+Tab");
    await page.keyboard.press("Enter");
    await download.card.waitFor({ state: "detached" });
    await comesTo(page.getByRole("heading", { name: "Catalog" }));
  });

  it("a link of the list brings what it opens into sight, and what is started there takes the keyboard over", async () => {
    await page.setViewportSize({ width: 800, height: 400 });
    await tabTo(page.getByRole("link", { name: "item 30", exact: true }));
    expect(await page.evaluate(() => scrollY)).toBeGreaterThan(400);
    await page.keyboard.press("Enter");
    const heading = page.getByRole("heading", { name: "item 30.bin" });
    await expect.poll(() => isInSight(heading)).toBe(true);
    await tabTo(page.getByRole("button", { name: "Download", exact: true }));
    await page.keyboard.press("Enter");
    const download = new DownloadOnPage(page, "item 30.bin");
    await comesTo(download.card);
    await download.press("Cancel");
    await download.card.waitFor({ state: "detached" });
  });

  it("more of a long list goes on where it was", async () => {
    await tabTo(page.getByRole("button", { name: "Show more" }), "Shift+Tab");
    await page.keyboard.press("Enter");
    const rows = page.getByRole("region", { name: "Catalog" }).getByRole("listitem");
    await comesTo(rows.nth(50).getByRole("link").first());
  });

  it("files of a folder are chosen, one by one and all at once", async () => {
    await page.goto(`${swarm.catalogUrl}/#/t/folder`);
    await page.getByRole("heading", { name: "folder" }).waitFor();
    await tabTo(page.locator("summary").getByText("Files"));
    await page.keyboard.press("Enter");
    const box = (path: string) => page.getByRole("checkbox", { name: path });
    await box("part 10.txt").waitFor();
    await tabTo(box("part 10.txt"));
    await page.keyboard.press("Space");
    await page.getByText(`${MANY - 1} of ${MANY} files`).waitFor();
    await tabTo(page.getByRole("button", { name: "None", exact: true }), "Shift+Tab");
    await page.keyboard.press("Enter");
    await page.getByText("Choose at least one file.").waitFor();
    await tabTo(page.getByRole("searchbox", { name: "Show files" }), "Shift+Tab");
    await page.keyboard.type("part 6");
    await expect.poll(() => page.getByRole("checkbox").count()).toBe(3);
    await tabTo(box("part 61.txt"));
    await page.keyboard.press("Space");
    await page.getByText(`1 of ${MANY} files`).waitFor();
    await tabTo(page.getByRole("searchbox", { name: "Show files" }), "Shift+Tab");
    await page.keyboard.press("Escape");
    await tabTo(page.getByRole("button", { name: `Show ${MANY - 50} more` }));
    await page.keyboard.press("Enter");
    await comesTo(page.getByRole("checkbox").nth(50));
  });

  it("what is folded out takes the keyboard, and Escape brings it back", async () => {
    const toggle = page.getByRole("button", { name: "Open a torrent" });
    await tabTo(toggle);
    await page.keyboard.press("Enter");
    await comesTo(page.getByRole("button", { name: "Choose a torrent's JSON file" }));
    await tabTo(page.getByLabel("Or its URL"));
    await page.keyboard.type("nothing");
    await page.keyboard.press("Escape");
    await comesTo(toggle);
    expect(await toggle.getAttribute("aria-expanded")).toBe("false");
  });
});

function isInSight(target: Locator): Promise<boolean> {
  return target.evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  });
}
