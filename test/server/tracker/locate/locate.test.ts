import { createClient } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { AnnounceEvent, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { openTransport, type TransportKind } from "../../../../server/http/client/transports.ts";
import { type RunningTracker, startTracker } from "../../../../server/tracker/tracker.ts";
import { neverBusy } from "../../../support/swarms/never-busy.ts";
import { infoHash } from "../../../support/swarms/router-tracker.ts";
import { trustAllowedNetworks } from "../../../support/swarms/trust-allowed-networks.ts";

const swarm = { infoHash: infoHash("a"), totalPieces: 8 };
const KINDS: readonly TransportKind[] = ["grpc", "grpc-web", "connect"];

describe.each([true, false])("LocatePieces, in front of the library: %s", (direct) => {
  let tracker: RunningTracker;
  let closers: (() => void)[];
  beforeEach(async () => {
    closers = [];
    const options = { port: 0, direct, random: () => 0, reachability: trustAllowedNetworks, ...neverBusy };
    tracker = await startTracker(options);
  });
  afterEach(async () => {
    for (const close of closers) close();
    await tracker.close();
  });
  const client = (kind: TransportKind) => {
    const { transport, close } = openTransport(tracker.url, kind);
    closers.push(close);
    return createClient(TrackerService, transport);
  };

  it.each(KINDS)("answers the same over %s, whatever is asked", async (kind) => {
    const remote = client(kind);
    await expect(remote.locatePieces(swarm)).rejects.toMatchObject({ rawMessage: /no peer/ });
    for (const [at, bitfield] of [Bitfield.full(8), Bitfield.of(8, [1])].entries()) {
      const complete = bitfield.complete;
      const said = { ...swarm, fileName: "file", revision: 1n, complete };
      const torrents = [{ ...said, ...(!complete && { bitfield: bitfield.toBytes() }) }];
      await remote.announce({ event: AnnounceEvent.STARTED, port: 1_000 + at, torrents });
    }
    const full = {
      ...swarm,
      trackerId: tracker.trackerId,
      nextLocateMs: 5_000,
      peers: [
        { url: "http://127.0.0.1:1000", complete: true },
        { url: "http://127.0.0.1:1001", complete: false, bitfield: Uint8Array.of(0x40) },
      ],
    };
    const first = await remote.locatePieces(swarm);
    expect(first).toMatchObject({ ...full, turn: 0 });
    expect(await remote.locatePieces(swarm)).toMatchObject({ ...full, turn: 1, revision: first.revision });
    const later = await remote.locatePieces({ ...swarm, since: first.revision });
    expect(later.peers[1]).toMatchObject({ unchanged: true, bitfield: new Uint8Array() });
    expect(await remote.locatePieces({ fileName: "file" })).toMatchObject({ ...full, turn: 3 });
    await expect(remote.locatePieces({})).rejects.toMatchObject({ rawMessage: /info_hash/ });
    await expect(remote.locatePieces({ infoHash: "x" })).rejects.toMatchObject({ rawMessage: /info_hash/ });
  });
});
