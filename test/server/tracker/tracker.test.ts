import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { remoteTracker } from "#core/rpc/rpc.ts";
import { openTransport } from "../../../server/http/client/transports.ts";
import { type RunningTracker, startTracker } from "../../../server/tracker/tracker.ts";
import { neverBusy } from "../../support/swarms/never-busy.ts";
import { infoHash } from "../../support/swarms/router-tracker.ts";
import { trustAllowedNetworks } from "../../support/swarms/trust-allowed-networks.ts";

const run = promisify(execFile);

let tracker: RunningTracker;
beforeEach(async () => {
  tracker = await startTracker({ port: 0, reachability: trustAllowedNetworks, ...neverBusy });
});
afterEach(() => tracker.close());

describe.each([
  ["HTTP/1.1", "--http1.1"],
  ["h2c", "--http2-prior-knowledge"],
])("curl over %s", (_, version) => {
  const curl = async (path: string, ...args: string[]) => {
    const { stdout } = await run("curl", [
      "-sS",
      "--max-time",
      "10",
      version,
      ...args,
      `${tracker.url}${path}`,
    ]);
    return stdout;
  };
  const call = async (method: string, request: object) =>
    JSON.parse(
      await curl(
        `/pieza.v1.TrackerService/${method}`,
        "-H",
        "content-type: application/json",
        "-d",
        JSON.stringify(request),
      ),
    );

  it("announces, locates and scrapes in readable JSON", async () => {
    const torrent = { info_hash: infoHash("a"), file_name: "file.bin", total_pieces: 3, revision: 1 };
    const announced = await call("Announce", {
      event: "ANNOUNCE_EVENT_STARTED",
      port: 50051,
      torrents: [{ ...torrent, bitfield: "oA==" }],
    });
    expect(announced).toMatchObject({
      lease_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      lease_secret: expect.stringMatching(/^[0-9a-f]{32}$/),
      tracker_id: tracker.trackerId,
      listed: true,
      url: "http://127.0.0.1:50051",
    });
    expect(await call("LocatePieces", { info_hash: infoHash("A") })).toMatchObject({
      total_pieces: 3,
      peers: [{ url: "http://127.0.0.1:50051", bitfield: "oA==" }],
      turn: expect.any(Number),
    });
    expect(await call("Scrape", {})).toEqual({
      swarms: [{ info_hash: infoHash("a"), file_name: "file.bin", total_pieces: 3, leechers: 1 }],
    });
    expect(await call("LocatePieces", { info_hash: infoHash("b") })).toMatchObject({ code: "not_found" });
    expect(await call("Announce", { lease_id: announced.lease_id })).toMatchObject({
      code: "unauthenticated",
    });
  });

  it("reads what there is, and the metrics", async () => {
    expect(JSON.parse(await curl("/"))).toMatchObject({
      service: "pieza tracker",
      tracker_id: tracker.trackerId,
    });
    await call("LocatePieces", { info_hash: infoHash("a") });
    await call("Announce", { event: "ANNOUNCE_EVENT_STARTED" });
    const metrics = await curl("/metrics");
    expect(metrics).toContain('pieza_tracker_announces_total{event="started"} 1');
    expect(metrics).toContain("pieza_tracker_locates_total 1");
    expect(metrics).toContain("pieza_tracker_leases 1");
    expect(metrics).toContain("pieza_tracker_swarms 0");
    expect(metrics).toContain("pieza_tracker_replication_orders_total 0");
    expect(metrics).toContain("pieza_tracker_replication_pieces_lost 0");
  });
});

it.each(["grpc", "grpc-web", "connect"] as const)("a peer announces and locates over %s", async (kind) => {
  const { transport, close } = openTransport(tracker.url, kind);
  try {
    const remote = remoteTracker({ url: tracker.url, transport });
    const swarm = { infoHash: infoHash("a"), totalPieces: 9 };
    const signal = AbortSignal.timeout(10_000);
    const announced = await remote.announce(
      {
        event: "started",
        address: { port: 50051, tls: false, identifyKey: new Uint8Array(32) },
        torrents: [{ ...swarm, fileName: "file", revision: 1, bitfield: Bitfield.of(9, [0, 8]) }],
        left: [],
      },
      signal,
    );
    const table = await remote.locate(swarm, signal);
    expect(table.peers.map(({ url, bitfield }) => [url, [...bitfield]])).toEqual([
      ["http://127.0.0.1:50051", [0, 8]],
    ]);
    await remote.announce({ event: "stopped", lease: announced.lease, torrents: [], left: [] }, signal);
    await expect(remote.locate(swarm, signal)).rejects.toMatchObject({ code: "not_found" });
  } finally {
    close();
  }
});
