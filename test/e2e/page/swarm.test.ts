import { afterAll, beforeAll, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { PageDriver } from "../../support/page/page-driver.ts";
import { pictureState } from "../../support/page/state-picture.ts";
import { LocalSwarm, writeRandomFile } from "../../support/swarms/local-swarm.ts";
import { startToldTracker, type Told } from "../../support/swarms/told-tracker.ts";

const PIECES = 40;
const name = "kept-alive.tar";

let swarm: LocalSwarm;
let browser: PageDriver;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  browser = await PageDriver.start();
});
afterAll(async () => {
  await browser?.stop();
  await swarm?.stop();
});

const range = (first: number, last: number) => Bitfield.of(PIECES, numbers(first, last)).toBytes();

function* numbers(first: number, last: number): Generator<number> {
  for (let number = first; number <= last; number++) yield number - 1;
}

it("the swarm view shows copies against the target, repairs under way, who volunteers and what is lost", async () => {
  const told: Told = {
    peers: [],
    watched: {
      peers: [
        {
          url: "http://198.51.100.1:50051",
          bitfield: range(1, 38),
          piecesHeld: 38,
          listed: true,
          zone: "north",
        },
        {
          url: "http://198.51.100.2:50051",
          bitfield: range(1, 24),
          piecesHeld: 24,
          listed: true,
          zone: "north",
        },
        {
          ...{ url: "http://198.51.100.3:50051", bitfield: range(9, 30), piecesHeld: 22, listed: true },
          ...{ zone: "south", volunteer: true },
        },
      ],
      replication: {
        target: 3,
        piecesUnderTarget: 24,
        piecesLost: 2,
        piecesOrdered: 8,
        bytesCopied: 22n << 20n,
      },
      orders: [
        {
          url: "http://198.51.100.3:50051",
          ranges: [
            { first: 1, last: 6 },
            { first: 8, last: 8 },
          ],
          sources: ["http://198.51.100.1:50051", "http://198.51.100.2:50051"],
        },
      ],
    },
  };
  const tracker = await startToldTracker(told);
  await writeRandomFile(swarm.path(name), PIECES << 16);
  await swarm.publish(name, "--piece-length", "64KiB", "--tracker", tracker.url);
  const page = await browser.open(`${swarm.catalogUrl}/#/t/${name}`);
  await page.getByText("Swarm", { exact: true }).click();
  const view = page.getByRole("article");
  await view.getByText("3 copies wanted, 24 pieces have fewer").waitFor();
  await view.getByText("2 pieces have no copy").waitFor();
  await view
    .getByRole("img", {
      name: /^Copies of each piece: at least 0, .*; 3 copies wanted, 24 pieces have fewer$/,
    })
    .waitFor();
  const repairs = view.getByRole("region", { name: "Being copied now" });
  expect((await repairs.getByRole("listitem").textContent())?.replaceAll(/\s+/g, " ").trim()).toBe(
    "198.51.100.3:50051 copies 7 pieces: 1–6, 8 · from 198.51.100.1:50051, 198.51.100.2:50051",
  );
  const volunteer = view.getByRole("row").filter({ hasText: "volunteer" });
  expect(await volunteer.count()).toBe(1);
  expect(await volunteer.textContent()).toMatch(/198\.51\.100\.3:50051.*south/s);
  await pictureState(page, "11-replication");
  expect(browser.problems).toEqual([]);
  await page.close();
  await tracker.close({ graceMs: 0 });
});
