import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { PiezaProcess } from "../../../support/processes/pieza-process.ts";

// Processes on a busy machine: what counts is that nothing hangs. A lease alone lives for 30 s.
vi.setConfig({ testTimeout: 300_000 });

interface Ready {
  tracker: string;
  peers: { url: string; pid: number }[];
}

interface Counts {
  file_name: string;
  leechers?: number;
  min_availability?: number;
  replication?: { target?: number; pieces_under_target?: number };
}

/** What the tracker of the demo says of its largest file. */
async function scrape(tracker: string): Promise<Counts | undefined> {
  const response = await fetch(`${tracker}/pieza.v1.TrackerService/Scrape`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
    signal: AbortSignal.timeout(5_000),
  });
  const { swarms = [] } = (await response.json()) as { swarms?: Counts[] };
  return swarms.find(({ file_name }) => file_name === "ocean-64MiB.bin");
}

it("what a killed peer of the demo had alone with one other is copied again by those that are left", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pieza-up-"));
  const page = join(folder, "page");
  await mkdir(page);
  await writeFile(join(page, "index.html"), "<!doctype html><title>Pieza</title>");
  const ports = ["--tracker-port", "0", "--catalog-port", "0", "--gateway-port", "0", "--peer-port", "0"];
  const args = ["up", ...ports, "--json", "--data", join(folder, "data"), "--page", page];
  const up = new PiezaProcess(args, { cwd: folder });
  try {
    const ready = (await up.line("ready", (line) => line.event === "ready")) as unknown as Ready;
    const poll = { timeout: 120_000, interval: 250 };
    await expect.poll(() => scrape(ready.tracker), poll).toMatchObject({ leechers: 4, min_availability: 2 });
    process.kill(ready.peers[0]!.pid, "SIGKILL");
    await expect.poll(() => scrape(ready.tracker), poll).toMatchObject({ leechers: 3, min_availability: 1 });
    await expect
      .poll(async () => (await scrape(ready.tracker))?.min_availability, poll)
      .toBeGreaterThanOrEqual(2);
    const copies = await Promise.all(
      [2, 3, 4].map((n) => readdir(join(folder, "data", "demo", `peer-${n}`, "peer-0", "copies"))),
    );
    expect(copies.flat().some((name) => name.length === 64)).toBe(true);
  } finally {
    up.kill("SIGINT");
    await up.finished(20_000);
    await rm(folder, { recursive: true, force: true });
  }
});
