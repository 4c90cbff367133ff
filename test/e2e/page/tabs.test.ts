import { mkdir } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { LocalSwarm, sent, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const KiB = 1 << 10;
const PIECE = 64 * KiB;
const name = "shared";

describe("a tab that waits for a download of another tab", () => {
  let swarm: LocalSwarm;
  let browser: PageDriver;
  let first: Page;
  let second: Page;

  /** A folder of two files with four pieces each. */
  beforeEach(async () => {
    swarm = await LocalSwarm.start();
    browser = await PageDriver.start();
    await mkdir(swarm.path(name));
    await writeRandomFile(swarm.path(`${name}/a.bin`), 4 * PIECE);
    await writeRandomFile(swarm.path(`${name}/b.bin`), 4 * PIECE);
    await swarm.publish(name, "--piece-length", "64KiB");
    first = await browser.open(swarm.catalogUrl);
  });
  afterEach(async ({ task }) => {
    expect(browser.problems).toEqual([]);
    await browser.stop(task);
    await swarm.stop();
  });

  async function waitingInSecond(): Promise<DownloadOnPage> {
    second = await browser.open(swarm.catalogUrl);
    const there = new DownloadOnPage(second, name);
    await there.becomes("Open in another tab");
    return there;
  }

  it("lets go of it when it is removed there, asks no peer for it, and can start it anew", async () => {
    const peer = await swarm.peer("all", name);
    const here = await new DownloadOnPage(first, name).start();
    await here.becomes("Complete");
    const there = await waitingInSecond();
    await here.press("Remove");
    await here.press("Delete");
    await there.card.waitFor({ state: "detached" });
    expect(sent(peer)).toHaveLength(8);
    await second.reload();
    await second.getByRole("button", { name: `Download ${name}` }).waitFor();
    expect(await there.card.count()).toBe(0);

    await (await new DownloadOnPage(first, name).start()).becomes("Complete");
    expect(sent(peer)).toHaveLength(16);
  });

  it("goes on as it was left there: paused, and with the files chosen there", async () => {
    const peer = await swarm.peer("some", name, "1-2");
    const here = await new DownloadOnPage(first, name).start();
    await here.becomes("Waiting for peers");
    const there = await waitingInSecond();
    await here.card.getByText("Files", { exact: true }).click();
    await here.card.getByRole("checkbox", { name: "b.bin" }).uncheck();
    await here.card.getByText("1 of 2 files").first().waitFor();
    await here.press("Pause");
    await here.becomes("Paused");
    const rest = await swarm.peer("rest", name);
    await first.close();

    await there.becomes("Paused");
    await there.card.getByText("1 of 2 files").first().waitFor();
    await there.press("Resume");
    await there.becomes("Complete");
    expect([...sent(peer), ...sent(rest)].toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);
  });

  it("knows that it was given to the browser there, until other files are chosen", async () => {
    await swarm.peer("all", name);
    const here = await new DownloadOnPage(first, name).start();
    await here.becomes("Complete");
    const there = await waitingInSecond();
    await Promise.all([first.waitForEvent("download"), here.press("Save")]);
    await here.card.getByRole("button", { name: /^Free / }).waitFor();
    await first.close();

    await there.card.getByText("Your browser was given it to save").waitFor();
    await there.card.getByText("Files", { exact: true }).click();
    await there.card.getByRole("checkbox", { name: "b.bin" }).uncheck();
    await there.card.getByText(/Saving makes a second copy/).waitFor();
    await second.reload();
    await there.becomes("Complete");
    expect(await there.card.getByRole("button", { name: /^Free / }).count()).toBe(0);
  });
});
