import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { AnnounceEvent, type AnnounceRequestSchema, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { TrackerService as LegacyTrackerService } from "#gen/tracker_pb.ts";
import { startServer } from "../../../../server/http/listening/server.ts";
import { composeTracker } from "../../../../server/tracker/tracker.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { infoHash } from "../../../support/swarms/router-tracker.ts";
import { trustAllowedNetworks } from "../../../support/swarms/trust-allowed-networks.ts";
import { type RawAnswer, RawClient, type RawRequest } from "../../../support/wire/raw-call.ts";
import {
  callOf,
  framed,
  isFramed,
  read,
  type WireFormat,
  wireFormats,
} from "../../../support/wire/wire-formats.ts";

/**
 * Announce and the legacy GetFilePieces, each call to two trackers that know the same: one answers plain calls in front
 * of the library, in the other the library answers all of them.
 */
const { announce } = TrackerService.method;
const { getFilePieces } = LegacyTrackerService.method;
const swarm = { infoHash: infoHash("a"), totalPieces: 12, fileName: "file" };
const wires = [
  { wire: "HTTP/1.1", version: 1 },
  { wire: "HTTP/2", version: 2 },
] as const;

interface Lease {
  readonly leaseId: string;
  readonly leaseSecret: string;
}

interface Case {
  readonly message: (lease: Lease) => MessageInitShape<typeof AnnounceRequestSchema>;
  readonly code?: string;
}

const torrent = { ...swarm, revision: 1n };
const cases: Record<string, Case> = {
  "a heartbeat": { message: (lease) => ({ ...lease, torrents: [torrent] }) },
  "a heartbeat of an unknown revision": {
    message: (lease) => ({ ...lease, torrents: [{ ...torrent, revision: 9n }] }),
  },
  "a bitfield": {
    message: (lease) => ({
      event: AnnounceEvent.PROGRESS,
      ...lease,
      torrents: [{ ...torrent, revision: 2n, bitfield: new Uint8Array([0xff, 0xe0]) }],
    }),
  },
  "a bitfield with a spare bit": {
    message: (lease) => ({ ...lease, torrents: [{ ...torrent, bitfield: new Uint8Array([0, 1]) }] }),
    code: "invalid_argument",
  },
  "a name of 5 KiB": {
    message: (lease) => ({ ...lease, torrents: [{ ...torrent, fileName: "a".repeat(5 << 10) }] }),
    code: "invalid_argument",
  },
  "a torrent left": { message: (lease) => ({ ...lease, left: [swarm.infoHash] }) },
  "an event that is to come": {
    message: (lease) => ({ ...lease, event: 77 as AnnounceEvent }),
    code: "invalid_argument",
  },
  "no lease": { message: () => ({}), code: "unauthenticated" },
  "a lease that has ended": {
    message: () => ({ leaseId: "0".repeat(32), leaseSecret: "0".repeat(32) }),
    code: "not_found",
  },
  "a wrong secret": {
    message: ({ leaseId }) => ({ leaseId, leaseSecret: "0".repeat(32) }),
    code: "permission_denied",
  },
  "the last announce": { message: (lease) => ({ event: AnnounceEvent.STOPPED, ...lease }) },
  "a first announce": {
    message: () => ({
      event: AnnounceEvent.STARTED,
      port: 7_000,
      torrents: [{ ...torrent, complete: true }],
    }),
  },
};

interface Started {
  readonly url: string;
  close(): Promise<void>;
}

let trackers: Record<"direct" | "library", Started>;
let clients: { close(): void }[];
let clock: FakeClock;

beforeEach(async () => {
  clock = new FakeClock();
  clients = [];
  trackers = { direct: await start(true), library: await start(false) };
});
afterEach(async () => {
  for (const client of clients) client.close();
  for (const tracker of Object.values(trackers)) await tracker.close();
});

async function start(direct: boolean): Promise<Started> {
  const trust = { reachability: trustAllowedNetworks, loopDelayMs: () => 0 };
  const tracker = composeTracker({ port: 0, clock, random: () => 0, ...trust });
  const server = await startServer({
    port: 0,
    services: tracker.services,
    direct,
    limits: { changesBurst: 12, changesPerSecond: 0.001 },
  });
  const close = async () => {
    await server.close();
    await tracker.close();
  };
  return { url: server.url, close };
}

function dial(which: "direct" | "library", version: 1 | 2): RawClient {
  const client = new RawClient(trackers[which].url, version);
  clients.push(client);
  return client;
}

async function join(client: RawClient, port: number, bitfield: Bitfield): Promise<Lease> {
  const { complete } = bitfield;
  const torrents = [{ ...torrent, complete, ...(!complete && { bitfield: bitfield.toBytes() as never }) }];
  const call = callOf("connect", announce, { event: AnnounceEvent.STARTED, port, torrents });
  const said = read("connect", announce, await client.call(call));
  if (!("message" in said)) throw new Error(said.text);
  const { leaseId, leaseSecret } = said.message;
  return { leaseId, leaseSecret };
}

/** What has to be the same, whoever answers: all but ids and the time. */
function comparable({ status, headers, trailers, body }: RawAnswer) {
  const text = body.toString("latin1").replaceAll(/[0-9a-f]{32}/g, "?");
  return { status, trailers, text, headers: { ...headers, date: "" } };
}

let ran = 0;

describe.each(wires)("over $wire", ({ version }) => {
  const formats = wireFormats.filter((format) => format !== "grpc" || version === 2);

  it.each(formats.flatMap((format) => Object.keys(cases).map((what) => ({ format, what }))))(
    "$what, in $format",
    async ({ format, what }) => {
      ran++;
      const { message, code } = cases[what]!;
      const answers = [];
      for (const which of ["direct", "library"] as const) {
        const client = dial(which, version);
        const lease = await join(client, 1_000, Bitfield.of(12, [1, 2]));
        answers.push(await client.call(callOf(format, announce, message(lease))));
      }
      expect(comparable(answers[0]!)).toEqual(comparable(answers[1]!));
      const said = read(format, announce, answers[0]!);
      expect("code" in said ? said.code : undefined).toBe(code);
    },
  );

  it.each(formats)("the map of the legacy call turns the same in %s", async (format) => {
    const turns: Record<"direct" | "library", object[]> = { direct: [], library: [] };
    for (const which of ["direct", "library"] as const) {
      const client = dial(which, version);
      await join(client, 1_000, Bitfield.full(12));
      await join(client, 1_001, Bitfield.of(12, [0, 5]));
      await join(client, 1_002, Bitfield.full(12));
      for (let turn = 0; turn < 8; turn++) {
        const answer = await client.call(callOf(format, getFilePieces, { fileName: "file" }));
        turns[which].push(comparable(answer));
      }
      for (const fileName of ["", "nobody's", "a".repeat(256)])
        turns[which].push(comparable(await client.call(callOf(format, getFilePieces, { fileName }))));
    }
    expect(turns.direct).toEqual(turns.library);
    expect(new Set(turns.direct.map((answer) => JSON.stringify(answer))).size).toBe(6 + 3);
  });

  it.each(formats)(
    "a call in %s takes one turn under the rate limit, whoever answers and whatever comes of it",
    async (format) => {
      const counts: Record<string, number[]> = {};
      for (const which of ["direct", "library"] as const) {
        const client = dial(which, version);
        const lease = await join(client, 1_000, Bitfield.full(12));
        const calls: RawRequest[] = [
          callOf(format, announce, { ...lease }),
          callOf(format, announce, { leaseId: "0".repeat(32), leaseSecret: "0".repeat(32) }),
          callOf(format, announce, { event: AnnounceEvent.STARTED }),
        ];
        const said: number[] = [];
        for (let n = 0; n < 15; n++) {
          const answer = read(format, announce, await client.call(calls[n % calls.length]!));
          said.push("code" in answer && answer.code === "resource_exhausted" ? 0 : 1);
        }
        counts[which] = said;
      }
      // Twelve at once, of which joining took one.
      const expected = [...Array(11).fill(1), ...Array(4).fill(0)];
      expect(counts).toEqual({ direct: expected, library: expected });
    },
  );
});

it("what is no message is the library's, and changes nothing", async () => {
  for (const format of ["connect", "grpc"] as const satisfies WireFormat[]) {
    const answers = [];
    for (const which of ["direct", "library"] as const) {
      const bytes = Buffer.from([0x0a, 0xff, 0x01]);
      const call = callOf(format, announce, {});
      answers.push(await dial(which, 2).call({ ...call, body: isFramed(format) ? framed(bytes) : bytes }));
    }
    expect(comparable(answers[0]!)).toEqual(comparable(answers[1]!));
  }
});

afterAll(() => {
  // Seven pairs of wire and format.
  expect(ran).toBe(7 * Object.keys(cases).length);
});
