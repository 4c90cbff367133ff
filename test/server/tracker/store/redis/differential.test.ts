import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { MemorySwarmStore } from "../../../../../server/tracker/store/memory/memory-swarm-store.ts";
import { RedisSwarmStore } from "../../../../../server/tracker/store/redis/redis-swarm-store.ts";
import type { SwarmStore } from "../../../../../server/tracker/store/swarm-store.ts";
import { order } from "../../../../contract/order-store.ts";
import { lease, torrent } from "../../../../contract/swarm-store.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { RedisServer } from "../../../../support/processes/redis-server.ts";

const IDS = ["a", "b", "c", "d"];
const DIGITS = ["1", "2", "3"];
const NAMES = ["file", "other", "*", "\r\nFLUSHALL\r\n", "{tag}", ":".repeat(255)];
const TOTALS = [8, 40_000];
/** Small enough that random commands run into every one of them. */
const limits = {
  maxLeases: 3,
  maxLeasesPerAddress: 2,
  maxSwarms: 3,
  maxTorrentsPerLease: 2,
  maxStateBytes: 30_000,
  legacyLeaseMs: 60_000,
};

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.kill());

/** The store in memory, and two replicas over one Redis: what one is told the other knows. */
interface Stores {
  readonly memory: MemorySwarmStore;
  readonly replicas: readonly RedisSwarmStore[];
  readonly clock: FakeClock;
}

type Command = fc.AsyncCommand<object, Stores, false>;

const id = fc.constantFrom(...IDS);
const digit = fc.constantFrom(...DIGITS);

/** The same call on both stores, on one replica or the other: both answer the same, or refuse for the same reason. */
function same(name: string, replica: number, call: (store: SwarmStore) => Promise<unknown>): Command {
  return {
    check: () => true,
    async run(_, stores) {
      expect(await outcome(call(stores.replicas[replica]!)), name).toEqual(
        await outcome(call(stores.memory)),
      );
      await compare(stores);
    },
    toString: () => `${name} on ${replica}`,
  };
}

async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return { answer: await call };
  } catch (error) {
    if (!(error instanceof PiezaError)) throw error;
    return { refused: error.code };
  }
}

function space(freeBytes: number) {
  return { capacityBytes: 9, freeBytes, bytesPerSecond: 0, saidAtMs: 0 };
}

const replica = fc.nat(1);
/** Ids are random: nobody opens one that lives. */
const open = fc
  .tuple(replica, id, id, fc.constantFrom("x", "y"), fc.boolean())
  .map(([replica, id, address, source, legacy]) =>
    same(`open ${id} at ${address} from ${source}`, replica, async (store) =>
      (await store.find(id))
        ? "lives"
        : store.open({ ...lease(id), address: lease(address).address, source, ...(legacy && { legacy }) }),
    ),
  );
const renew = fc
  .tuple(
    replica,
    id,
    fc.option(
      fc.record(
        {
          draining: fc.boolean(),
          listed: fc.boolean(),
          zone: fc.constantFrom("x", "*"),
          volunteer: fc.constantFrom(undefined, space(0), space(7)),
        },
        { requiredKeys: ["draining", "listed"] },
      ),
    ),
  )
  .map(([replica, id, change]) =>
    same(`renew ${id} ${JSON.stringify(change)}`, replica, (store) => store.renew(id, change ?? undefined)),
  );
const end = fc
  .tuple(replica, id)
  .map(([replica, id]) => same(`end ${id}`, replica, (store) => store.end(id)));
const leave = fc
  .tuple(replica, id, digit)
  .map(([replica, id, digit]) =>
    same(`leave ${id} ${digit}`, replica, (store) => store.leave(id, torrent(digit).infoHash)),
  );
const join = fc
  .record({
    replica,
    id,
    digit,
    revision: fc.nat(3),
    replace: fc.boolean(),
    fileName: fc.constantFrom(...NAMES),
    totalPieces: fc.constantFrom(...TOTALS),
    held: fc.option(fc.oneof(fc.constant("all" as const), fc.subarray([0, 1, 7]))),
  })
  .map(({ replica, id, replace, digit, held, ...said }) => {
    const { infoHash } = torrent(digit);
    const { totalPieces } = said;
    const bitfield = held === "all" ? Bitfield.full(totalPieces) : Bitfield.of(totalPieces, held ?? []);
    const membership = { ...said, infoHash, ...(held && { bitfield }) };
    return same(`join ${id} ${JSON.stringify(said)} [${held}] ${replace}`, replica, (store) =>
      store.join(id, membership, replace),
    );
  });
const declare = fc
  .tuple(replica, id, fc.subarray(NAMES), fc.subarray([1, 2, 131_072]))
  .map(([replica, id, names, numbers]) =>
    same(`declare ${id} ${JSON.stringify(names)} [${numbers}]`, replica, (store) =>
      store.declare(
        id,
        names.map((fileName) => ({
          fileName,
          pieces: numbers.map((number) => ({ number, hash: "any text" })),
        })),
      ),
    ),
  );
const withdraw = fc
  .tuple(replica, id, digit, fc.constantFrom([{ first: 0, last: 1 }], [{ first: 7, last: 7 }]), fc.nat(2))
  .map(([replica, id, digit, ranges, least]) =>
    same(`withdraw ${id} ${digit} ${JSON.stringify(ranges)} ${least}`, replica, (store) =>
      store.withdraw(id, { ...torrent(digit), totalPieces: 8 }, ranges, least),
    ),
  );
/** Who has no lease is given no order. */
const give = fc
  .tuple(replica, fc.subarray(IDS), fc.subarray(IDS), digit)
  .map(([replica, ids, ended, digit]) =>
    same(`give ${ids}, end ${ended} in ${digit}`, replica, async (store) => {
      const live = [];
      for (const id of ids) if (await store.find(id)) live.push(id);
      const book = await store.orders.book(torrent(digit));
      const put = live.map((id) => order(id, [[0, 3]], digit));
      return store.orders.change(book, put, ended);
    }),
  );
/** Whole seconds: at those both have swept. */
const pass = fc.integer({ min: 1, max: 40 }).map(
  (seconds): Command => ({
    check: () => true,
    async run(_, stores) {
      await stores.clock.tick(seconds * 1_000);
      for (const store of stores.replicas) await store.counts();
      await compare(stores);
    },
    toString: () => `pass ${seconds} s`,
  }),
);

async function compare({ memory, replicas }: Stores): Promise<void> {
  const expected = await everything(memory);
  for (const store of replicas) expect(await everything(store)).toEqual(expected);
}

/** All that a store can be asked. */
async function everything(store: SwarmStore) {
  const leases = await Promise.all(IDS.map((id) => store.find(id)));
  const holders = await Promise.all(IDS.map((id) => store.holderOf(lease(id).address)));
  const joined = await Promise.all(IDS.map((id) => store.joined(id)));
  const swarms = [];
  for (const digit of DIGITS) {
    for (const totalPieces of TOTALS) {
      const swarm = await store.swarm({ ...torrent(digit), totalPieces });
      swarms.push(swarm?.members.map((member) => ({ ...member, bitfield: member.bitfield.toBytes() })));
    }
  }
  const named = await Promise.all(NAMES.map(async (name) => sorted(await store.swarmsNamed(name))));
  const files = await Promise.all(NAMES.map((name) => store.legacyFile(name)));
  const volunteers = (await store.volunteers()).map(({ id }) => id).sort();
  const books = [];
  for (const digit of DIGITS) {
    const { orders } = await store.orders.book(torrent(digit));
    // Those that came in one change have no order among themselves.
    books.push(
      orders
        .map(({ leaseId, zone: _, ...rest }) => ({ leaseId, ...rest }))
        .sort((a, b) => (a.leaseId < b.leaseId ? -1 : 1)),
    );
  }
  const ordered = await Promise.all(IDS.map(async (id) => sorted(await store.orders.ofVolunteer(id))));
  const all = sorted(await store.swarms(10));
  const legacyPeers = (await store.legacyPeers()).map((peer) => peer.leaseId).sort();
  return {
    leases,
    holders,
    joined: joined.map((hashes) => hashes.toSorted()),
    swarms,
    named,
    files,
    all,
    legacyPeers,
    volunteers,
    books,
    ordered,
    counts: await store.counts(),
  };
}

function sorted(keys: readonly { infoHash: string; totalPieces: number }[]): string[] {
  return keys.map(({ infoHash, totalPieces }) => `${infoHash} ${totalPieces}`).sort();
}

it("two replicas over Redis answer what a store in memory does, whatever is asked of them", {
  timeout: 120_000,
}, async () => {
  const commands = fc.commands<object, Stores, false>(
    [open, open, renew, end, join, join, leave, declare, withdraw, give, pass],
    {
      maxCommands: 40,
    },
  );
  await fc.assert(
    fc.asyncProperty(commands, async (commands) => {
      const clock = new FakeClock();
      const memory = new MemorySwarmStore(clock, limits);
      const options = { url: redis.url, clock, limits, now: () => clock.now(), prefix: `${randomUUID()}:` };
      const replicas = [new RedisSwarmStore(options), new RedisSwarmStore(options)];
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: { memory, replicas, clock } }), commands);
      } finally {
        for (const store of [memory, ...replicas]) await store.close();
      }
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 150 },
  );
});
