import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { AnnounceEvent, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { openTransport } from "../../../server/http/transports.ts";
import { within } from "../../support/deadline.ts";
import { PiezaProcess } from "../../support/pieza-process.ts";
import { infoHash, RouterTracker } from "../../support/router-tracker.ts";

const MiB = 1 << 20;

describe("one customer gets 256 leases, however many ports or addresses it has", () => {
  it.each([
    ["an IPv4 address", () => "203.0.113.9"],
    ["an IPv6 /64", (n: number) => `2001:db8:1:2::${n.toString(16)}`],
  ])("%s", async (_, address) => {
    const tracker = new RouterTracker();
    const start = (caller: string, port: number) =>
      tracker.client(caller).announce({ event: AnnounceEvent.STARTED, port });
    for (let n = 1; n <= 256; n++) await start(address(n), n);
    for (let n = 257; n <= 300; n++)
      await expect(start(address(n), n)).rejects.toMatchObject({ code: Code.ResourceExhausted });
    await start("127.0.0.1", 1);
    await start("2001:db8:1:3::1", 1);
    expect((await tracker.store.counts()).leases).toBe(258);
    await tracker.close();
  });
});

it("a flood of bitfields stops at the tracker's cap, and who was there before goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pieza-flood-"));
  const tracker = new PiezaProcess(
    ["tracker", "--port", "0", "--no-rate-limit", "--memory", "384MiB", "--json"],
    { cwd: folder },
  );
  const url = await tracker.url();
  const { transport, close } = openTransport(url, "grpc");
  try {
    const client = createClient(TrackerService, transport);
    const torrent = {
      infoHash: infoHash("a"),
      fileName: "file",
      totalPieces: 8,
      revision: 1n,
      complete: true,
    };
    const honest = await client.announce({ event: AnnounceEvent.STARTED, torrents: [torrent] });
    const { leaseId, leaseSecret } = honest;

    const bitfield = new Uint8Array(8 << 10).fill(0x55);
    const flood = () => ({
      event: AnnounceEvent.STARTED,
      torrents: Array.from({ length: 450 }, () => ({
        infoHash: randomBytes(32).toString("hex"),
        fileName: "f",
        totalPieces: 65_536,
        revision: 1n,
        bitfield,
      })),
    });
    let slowestMs = 0;
    const ended = new Map<Code | "ok", number>();
    // A tracker that is busy with it puts some off, which ends nothing.
    for (let n = 0, tries = 0; n < 85 && tries < 300; tries++) {
      const call = client.announce(flood());
      const code = await call.then(
        () => "ok" as const,
        (error) => ConnectError.from(error).code,
      );
      if (code === Code.Unavailable) continue;
      n++;
      ended.set(code, (ended.get(code) ?? 0) + 1);
      const before = performance.now();
      await within(10_000, "a heartbeat", client.announce({ leaseId, leaseSecret }));
      slowestMs = Math.max(slowestMs, performance.now() - before);
    }
    const rss = await rssBytes(tracker.pid);
    console.log(`heartbeat ${Math.round(slowestMs)} ms at most, ${Math.round(rss / MiB)} MiB`);
    expect([...ended.keys()].sort()).toEqual([Code.ResourceExhausted, "ok"].sort());
    expect(rss).toBeLessThan(384 * MiB);
    expect((await client.scrape({ infoHashes: [infoHash("a")] })).swarms).toMatchObject([{ seeders: 1 }]);
  } finally {
    close();
    await tracker.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

/** What a process has in memory now. */
async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}
