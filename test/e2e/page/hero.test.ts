import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { DownloadOnPage, PageDriver } from "../../support/page/page-driver.ts";
import { pictures } from "../../support/page/pictures.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const name = "street-level-images.tar";
/** Each piece at two of four peers. */
const halves = ["1-128", "65-192", "129-256", "1-64,193-256"];

/** The README's picture; PIEZA_README_PICTURE=1 puts it into docs/. */
it("one glance shows four peers that feed one download, one of them gone", async ({ task }) => {
  const swarm = await LocalSwarm.start();
  const browser = await PageDriver.start();
  try {
    await writeRandomFile(swarm.path(name), 256 * MiB);
    await swarm.publish(name);
    const peers = [];
    for (const [n, pieces] of halves.entries()) {
      peers.push(await swarm.peer(`peer-${n}`, name, pieces, "0", "--limit-upload", "8MiB"));
    }
    const page = await browser.open("about:blank");
    await page.setViewportSize({ width: 1280, height: 790 });
    await page.goto(swarm.catalogUrl);
    const download = await new DownloadOnPage(page, name).start();
    const percent = (least: number) =>
      expect.poll(() => download.heldPercent(), { timeout: 120_000, interval: 50 }).toBeGreaterThan(least);
    await percent(45);
    peers[2]!.kill("SIGKILL");
    await download.card.getByText("cannot be reached").first().waitFor();
    await percent(65);
    const pieces = Object.values(await download.piecesByPeer());
    await mkdir(pictures, { recursive: true });
    const path = join(pictures, "hero.png");
    await page.screenshot({ path });
    expect(pieces.filter((count) => count > 0)).toHaveLength(4);
    await download.becomes("Complete", 120_000);
    expect(await sha256sum((await download.save()).path)).toBe(await sha256sum(swarm.path(name)));
    if (process.env.PIEZA_README_PICTURE === "1") {
      await copyFile(path, join(import.meta.dirname, "../../../docs/page.png"));
    }
  } finally {
    await browser.stop(task);
    await swarm.stop();
  }
});
