import { toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { AnnounceEvent, LocatePiecesResponseSchema } from "#gen/pieza/v1/tracker_pb.ts";
import { infoHash, RouterTracker } from "../../../support/swarms/router-tracker.ts";
import { trustAllowedNetworks } from "../../../support/swarms/trust-allowed-networks.ts";

const PIECES = 100_000;
const PEERS = 50;
const swarm = { infoHash: infoHash("a"), totalPieces: PIECES };

let tracker: RouterTracker;
beforeEach(() => {
  tracker = new RouterTracker(undefined, { reachability: trustAllowedNetworks });
});
afterEach(() => tracker.close());

/** A bitfield without any pattern that could be made shorter. */
function scattered(seed: number): Bitfield {
  const held: number[] = [];
  for (let n = 0, x = seed + 1; n < PIECES; n++) {
    x = (x * 1_103_515_245 + 12_345) % 2 ** 31;
    if (x & 65_536) held.push(n);
  }
  return Bitfield.of(PIECES, held);
}

async function announce(port: number, revision: number, bitfield: Bitfield, lease = {}) {
  const { leaseId, leaseSecret } = await tracker.client().announce({
    event: "leaseId" in lease ? AnnounceEvent.PROGRESS : AnnounceEvent.STARTED,
    ...lease,
    port,
    torrents: [
      {
        ...swarm,
        fileName: "file",
        revision: BigInt(revision),
        bitfield: bitfield.toBytes(),
        complete: false,
      },
    ],
  });
  return { leaseId, leaseSecret };
}

it("100,000 pieces and 50 partial peers fit in 700 KB, and what has not changed is not sent again", async () => {
  const leases = [];
  for (let n = 0; n < PEERS; n++) leases.push(await announce(1_000 + n, 1, scattered(n)));
  const client = tracker.client();
  const first = await client.locatePieces(swarm);
  expect(first.peers).toHaveLength(PEERS);
  expect(toBinary(LocatePiecesResponseSchema, first).length).toBeLessThan(700_000);
  const same = await client.locatePieces({ ...swarm, since: first.revision });
  expect(same.peers.map(({ url, unchanged }) => [url, unchanged])).toEqual(
    first.peers.map(({ url }) => [url, true]),
  );
  expect(toBinary(LocatePiecesResponseSchema, same).length).toBeLessThan(4_000);
  expect(same.turn).toBe(first.turn + 1);

  await announce(1_007, 2, scattered(99), leases[7]);
  const later = await client.locatePieces({ ...swarm, since: same.revision });
  const sent = later.peers.filter(({ unchanged }) => !unchanged);
  expect(sent.map(({ url }) => url)).toEqual(["http://127.0.0.1:1007"]);
  expect(sent[0]!.bitfield).toEqual(scattered(99).toBytes());

  const began = performance.now();
  for (let n = 0; n < 20; n++) await client.locatePieces(swarm);
  console.info(
    `${((performance.now() - began) / 20).toFixed(2)} ms a full answer, client and encoding included`,
  );
});

it("what is no revision is answered in full", async () => {
  await announce(1_000, 1, scattered(1));
  for (const since of [Uint8Array.of(1), new Uint8Array(8), new Uint8Array(400), new Uint8Array(4_000)]) {
    const { peers } = await tracker.client().locatePieces({ ...swarm, since });
    expect(peers.map(({ unchanged, bitfield }) => [unchanged, bitfield.length])).toEqual([
      [false, PIECES / 8],
    ]);
  }
});

it("a peer at another address is another, whatever it has", async () => {
  await announce(1_000, 1, scattered(1));
  const { revision } = await tracker.client().locatePieces(swarm);
  await announce(1_001, 1, scattered(1));
  const { peers } = await tracker.client().locatePieces({ ...swarm, since: revision });
  expect(peers.map(({ unchanged }) => unchanged)).toEqual([true, false]);
});
