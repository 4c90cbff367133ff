import fc from "fast-check";
import { expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { MemorySwarmStore } from "../../../../server/tracker/store/memory/memory-swarm-store.ts";
import type { SwarmStore } from "../../../../server/tracker/store/swarm-store.ts";
import { lease, torrent } from "../../../contract/swarm-store.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const LEASE_MS = 30_000;
const SWEEP_MS = 1_000;
const IDS = ["a", "b", "c"];
const DIGITS = ["1", "2"];

interface ModelLease {
  endsAtMs: number;
  draining: boolean;
  /** By digit of the info hash. */
  joined: Map<string, { revision: number; held: number[] }>;
}

/** What a store is, without any thought of speed: a table of leases. */
class Model {
  nowMs = 0;
  readonly leases = new Map<string, ModelLease>();

  live(id: string): ModelLease | undefined {
    const found = this.leases.get(id);
    return found && found.endsAtMs > this.nowMs ? found : undefined;
  }
}

type Real = { store: SwarmStore; clock: FakeClock };
type Command = fc.AsyncCommand<Model, Real, false>;

const id = fc.constantFrom(...IDS);
const digit = fc.constantFrom(...DIGITS);

/** A command that may always be tried: the model says whether it has to work. */
function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      await run(model, real);
      await compare(model, real);
    },
    toString: () => name,
  };
}

const open = id.map((id) =>
  command(`open ${id}`, async (model, { store }) => {
    const call = store.open(lease(id));
    if (model.live(id)) {
      await expect(call).rejects.toMatchObject({ code: "already_exists" });
    } else {
      await call;
      model.leases.delete(id);
      model.leases.set(id, { endsAtMs: model.nowMs + LEASE_MS, draining: false, joined: new Map() });
    }
  }),
);

const renew = fc.tuple(id, fc.boolean()).map(([id, draining]) =>
  command(`renew ${id} ${draining}`, async (model, { store }) => {
    const found = model.live(id);
    expect((await store.renew(id, { draining })) !== undefined).toBe(found !== undefined);
    if (found) Object.assign(found, { draining, endsAtMs: model.nowMs + LEASE_MS });
  }),
);

const end = id.map((id) =>
  command(`end ${id}`, async (model, { store }) => {
    await store.end(id);
    model.leases.delete(id);
  }),
);

const join = fc
  .record({ id, digit, revision: fc.nat(3), replace: fc.boolean(), held: fc.option(fc.subarray([0, 1, 7])) })
  .map(({ id, digit, revision, replace, held }) =>
    command(`join ${id} ${digit} revision ${revision} ${replace} [${held}]`, async (model, { store }) => {
      const { bitfield: _, ...bare } = torrent(digit);
      const said = { ...bare, revision, ...(held && { bitfield: Bitfield.of(8, held) }) };
      const found = model.live(id);
      if (!found) {
        await expect(store.join(id, said, replace)).rejects.toMatchObject({ code: "not_found" });
        return;
      }
      const known = found.joined.get(digit);
      expect(await store.join(id, said, replace)).toBe(held !== null || known?.revision === revision);
      if (held && (!known || replace || revision > known.revision))
        found.joined.set(digit, { revision, held });
    }),
  );

const leave = fc.tuple(id, digit).map(([id, digit]) =>
  command(`leave ${id} ${digit}`, async (model, { store }) => {
    await store.leave(id, torrent(digit).infoHash);
    model.leases.get(id)?.joined.delete(digit);
  }),
);

const pass = fc.integer({ min: 1, max: 40_000 }).map((ms) =>
  command(`pass ${ms}`, async (model, { clock }) => {
    await clock.tick(ms);
    model.nowMs += ms;
  }),
);

/** Leases agree to the millisecond; a swarm may name one for a sweep longer, and nothing else. */
async function compare(model: Model, { store }: Real): Promise<void> {
  for (const id of IDS) expect((await store.find(id)) !== undefined, id).toBe(model.live(id) !== undefined);
  for (const digit of DIGITS) {
    const members = new Map(
      (await store.swarm(torrent(digit)))?.members.map((member) => [member.leaseId, member]),
    );
    for (const [id, { joined, endsAtMs, draining }] of model.leases) {
      const known = joined.get(digit);
      const member = members.get(id);
      members.delete(id);
      if (endsAtMs + SWEEP_MS <= model.nowMs) expect(member).toBeUndefined();
      else if (endsAtMs > model.nowMs) expect(member !== undefined).toBe(known !== undefined);
      if (!member) continue;
      expect({ revision: member.revision, held: [...member.bitfield] }).toEqual(known);
      expect(member.draining).toBe(draining);
    }
    expect([...members.keys()], "members that nobody knows").toEqual([]);
  }
}

it("a memory store does what a plain table would, whatever is asked of it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands<Model, Real, false>([open, renew, end, join, leave, pass], { maxCommands: 40 }),
      async (commands) => {
        const clock = new FakeClock();
        const store = new MemorySwarmStore(clock);
        try {
          await fc.asyncModelRun(() => ({ model: new Model(), real: { store, clock } }), commands);
        } finally {
          await store.close();
        }
        expect(clock.pending).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});
