import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { PeerSelector } from "../../server/tracker/locate/peer-selector.ts";
import type { FailureVotes } from "../../server/tracker/store/failure-votes.ts";
import type { SwarmStore } from "../../server/tracker/store/swarm-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { lease, torrent } from "./swarm-store.ts";

export interface MadeVotes {
  /** The votes of each replica of one tracker. */
  readonly replicas: readonly FailureVotes[];
  /** The store of each replica. */
  readonly stores: readonly SwarmStore[];
  close(): Promise<void>;
}

const LIAR = "http://127.1.0.1:7000";
const OTHER = "http://127.1.0.1:7001";
const TEN_MINUTES_MS = 600_000;
/** In which replicas tell each other. */
const TELL_MS = 1_000;

/** What every tracker keeps of failure reports, however many replicas it has. */
export function failureVotesContract(name: string, make: (clock: FakeClock) => Promise<MadeVotes>): void {
  describe(`reports of failing peers, ${name}`, () => {
    let clock: FakeClock;
    let made: MadeVotes;
    beforeEach(async () => {
      clock = new FakeClock();
      made = await make(clock);
    });
    afterEach(() => made.close());

    /** Reporter `n` tells the replica that it announces to. */
    function report(n: number, caller: string, urls: readonly string[] = [LIAR], lease = `lease ${n}`): void {
      const reports = urls.map((url) => ({ url, infoHash: "a".repeat(64), kind: "unreachable" as const }));
      made.replicas[n % made.replicas.length]!.report(reports, lease, caller);
    }

    /** What each replica says of a peer, once all have told each other. */
    async function suspects(url: string): Promise<boolean[]> {
      await clock.tick(TELL_MS);
      return made.replicas.map((votes) => votes.version >= 0 && votes.isSuspect(url));
    }

    const all = (value: boolean) => made.replicas.map(() => value);
    const becomes = (url: string, value: boolean) =>
      expect.poll(() => suspects(url), { timeout: 10_000 }).toEqual(all(value));

    it("three networks make a suspect everywhere, whichever replica each of them told", async () => {
      const before = made.replicas.map(({ version }) => version);
      for (let n = 0; n < 3; n++) report(n, `127.3.${n}.1`);
      await becomes(LIAR, true);
      expect(await suspects(OTHER)).toEqual(all(false));
      for (const [at, { version }] of made.replicas.entries()) expect(version).not.toBe(before[at]);
    });

    it("two networks do not, however many leases of theirs tell whichever replicas", async () => {
      for (let n = 0; n < 30; n++) report(n, `127.3.${n % 2}.${n}`);
      // Whoever has heard of this one has heard of all before it.
      for (let n = 0; n < 3; n++) report(n, `127.4.${n}.1`, [OTHER]);
      await becomes(OTHER, true);
      expect(await suspects(LIAR)).toEqual(all(false));
    });

    it("one lease has 64 votes at a replica", async () => {
      const urls = Array.from({ length: 65 }, (_, n) => `http://127.1.0.1:${7_000 + n}`);
      for (let n = 0; n < 3; n++) report(n, `127.3.${n}.1`, urls);
      await becomes(urls[63]!, true);
      expect(await suspects(urls[64]!)).toEqual(all(false));
    });

    it("20 networks that report every honest holder leave at least 3 of them named beside a liar", async () => {
      const [store] = made.stores;
      const urls = ["a", "b", "c", "d", "e"].map((id) => lease(id).url);
      for (const id of ["a", "b", "c", "d", "e"]) {
        await store!.open(lease(id));
        await store!.join(id, { ...torrent(), bitfield: Bitfield.full(8) }, false);
      }
      const [liar, ...honest] = urls;
      for (let n = 0; n < 20; n++) report(n, `127.3.${n}.1`, honest);
      for (const url of honest) await becomes(url, true);
      for (const [at, votes] of made.replicas.entries()) {
        const selector = new PeerSelector(made.stores[at]!, votes, () => 0);
        const seen = new Set<string>();
        for (let answer = 0; answer < 4; answer++) {
          const { peers } = await selector.select(torrent());
          const [first, ...others] = peers.map(({ url }) => url);
          expect(first).toBe(liar);
          expect(others).toHaveLength(3);
          for (const url of others) seen.add(url);
        }
        expect(seen).toEqual(new Set(honest));
        await made.stores[at]!.renew("b", { listed: false, notListedReason: "not reached" });
        const { peers } = await selector.select(torrent());
        expect(peers.map(({ url }) => url)).not.toContain(lease("b").url);
        await made.stores[at]!.renew("b", { listed: true, notListedReason: "" });
      }
    });

    it("a suspect is free after ten minutes, and may become one again", async () => {
      for (let n = 0; n < 3; n++) report(n, `127.3.${n}.1`);
      await becomes(LIAR, true);
      const before = made.replicas.map(({ version }) => version);
      await clock.tick(TEN_MINUTES_MS);
      expect(await suspects(LIAR)).toEqual(all(false));
      for (const [at, { version }] of made.replicas.entries()) expect(version).not.toBe(before[at]);
      for (let n = 0; n < 3; n++) report(n, `127.3.${n}.1`);
      await becomes(LIAR, true);
    });
  });
}
