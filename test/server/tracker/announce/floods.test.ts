import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { AnnounceEvent, type AnnounceRequestSchema, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { limitsFor } from "../../../../server/tracker/store/memory-limits.ts";
import { within } from "../../../support/deadline.ts";
import { PiezaProcess } from "../../../support/processes/pieza-process.ts";
import { RouterTracker } from "../../../support/swarms/router-tracker.ts";

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

interface Flood {
  /** What each of its announces brings. */
  readonly announce: (n: number) => MessageInitShape<typeof AnnounceRequestSchema>;
  /** More than fit. */
  readonly calls: number;
}

const MEMORY = 256 * MiB;
const caps = limitsFor(MEMORY);
const largest = new Uint8Array(8 << 10).fill(0x55);
const longName = (n: number) => `${n} `.padEnd(255, "x");

function torrents(count: number, bitfield: Uint8Array, fileName: (at: number) => string) {
  return Array.from({ length: count }, (_, at) => ({
    infoHash: randomBytes(32).toString("hex"),
    fileName: fileName(at),
    totalPieces: bitfield.length * 8,
    revision: 1n,
    bitfield,
  }));
}

/** Each stops at another cap. */
const floods: Readonly<Record<string, Flood>> = {
  "large bitfields": {
    announce: () => ({ torrents: torrents(450, largest, () => "f") }),
    calls: Math.ceil((1.3 * caps.maxStateBytes) / (450 * largest.length)),
  },
  "torrents with long names": {
    announce: (n) => ({ torrents: torrents(1_000, Uint8Array.of(0x55), (at) => longName(1_000 * n + at)) }),
    calls: Math.ceil((1.3 * caps.maxSwarms) / 1_000),
  },
};

it.each(Object.entries(floods))(
  "a flood of %s stops at its cap, and who was there before goes on",
  async (_, { announce, calls }) => {
    const folder = mkdtempSync(join(tmpdir(), "pieza-flood-"));
    const args = ["--port", "0", "--no-rate-limit", "--memory", `${MEMORY / MiB}MiB`, "--json"];
    const tracker = new PiezaProcess(["tracker", ...args], { cwd: folder });
    const { transport, close } = openTransport(await tracker.url(), "grpc");
    try {
      const client = createClient(TrackerService, transport);
      const [torrent] = torrents(1, Uint8Array.of(0xff), () => "file");
      const { leaseId, leaseSecret } = await client.announce({
        event: AnnounceEvent.STARTED,
        torrents: [torrent!],
      });
      const ended = new Map<Code | "ok", number>();
      // A tracker that is busy with it puts some off, which ends nothing.
      const codeOf = async (
        message: MessageInitShape<typeof AnnounceRequestSchema>,
      ): Promise<Code | "ok"> => {
        const code = await client.announce(message).then(
          () => "ok" as const,
          (error) => ConnectError.from(error).code,
        );
        return code === Code.Unavailable ? codeOf(message) : code;
      };
      let slowestMs = 0;
      for (let n = 0; n < calls; n++) {
        const code = await codeOf({ event: AnnounceEvent.STARTED, ...announce(n) });
        ended.set(code, (ended.get(code) ?? 0) + 1);
        const before = performance.now();
        expect(await within(10_000, "a heartbeat", codeOf({ leaseId, leaseSecret }))).toBe("ok");
        slowestMs = Math.max(slowestMs, performance.now() - before);
      }
      const rss = await rssBytes(tracker.pid);
      console.log(`heartbeat ${Math.round(slowestMs)} ms at most, ${Math.round(rss / MiB)} MiB`);
      expect([...ended.keys()].sort()).toEqual([Code.ResourceExhausted, "ok"].sort());
      expect(rss).toBeLessThan(MEMORY);
      const infoHashes = [torrent!.infoHash];
      expect((await client.scrape({ infoHashes })).swarms).toMatchObject([{ seeders: 1 }]);
    } finally {
      close();
      await tracker.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  120_000,
);

/** What a process has in memory now. */
async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}
