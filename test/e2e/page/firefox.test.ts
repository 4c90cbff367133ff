import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Firefox } from "../../support/page/firefox.ts";
import type { PiezaProcess } from "../../support/processes/pieza-process.ts";
import { LocalSwarm, metric, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";

const MiB = 1 << 20;
const name = "half.bin";

async function piecesAskedOf(peer: PiezaProcess): Promise<number> {
  return metric(await peer.url(), "pieza_piece_requests_total");
}

/** In the page: what the first download's card says of its state. */
function shownState(): string {
  return document.querySelector("article .state")?.textContent ?? "";
}

/** In the page: presses the button of this label or text. Says whether there is one. */
function press(label: string): boolean {
  const buttons = [...document.querySelectorAll("button")];
  const button = buttons.find((one) => (one.ariaLabel ?? one.textContent.trim()) === label);
  button?.click();
  return button !== undefined;
}

describe("a tab of Firefox", () => {
  let swarm: LocalSwarm;
  let firefox: Firefox;

  afterEach(async () => {
    await firefox?.stop();
    await swarm?.stop();
  });

  const becomes = (state: string) =>
    expect.poll(() => firefox.evaluate(shownState, undefined), { timeout: 60_000 }).toBe(state);
  const presses = (label: string) =>
    expect.poll(() => firefox.evaluate(press, label), { timeout: 60_000 }).toBe(true);

  it("downloads, goes on after a reload with what it had, and saves the right bytes", async () => {
    swarm = await LocalSwarm.start();
    firefox = await Firefox.start();
    await writeRandomFile(swarm.path(name), 24 * MiB);
    await swarm.publish(name);
    const first = await swarm.peer("first", name, "1-10");
    await firefox.open(swarm.catalogUrl);
    await presses(`Download ${name}`);
    await becomes("Waiting for peers");
    expect(await piecesAskedOf(first)).toBe(10);

    await firefox.reload();
    await becomes("Waiting for peers");
    const second = await swarm.peer("second", name);
    await becomes("Complete");
    expect(await piecesAskedOf(first), "requests to the first peer").toBe(10);
    expect(await piecesAskedOf(second), "requests to the second peer").toBe(14);

    await presses("Save");
    const saved = () => sha256sum(join(firefox.downloads, name)).catch(() => "not there yet");
    await expect.poll(saved, { timeout: 60_000 }).toBe(await sha256sum(swarm.path(name)));
  });
});
