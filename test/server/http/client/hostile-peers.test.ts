import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestPeer } from "../../../support/swarms/test-peer.ts";
import {
  type Conduct,
  conducts,
  type HostilePeer,
  startHostilePeer,
} from "../../../support/wire/hostile-peers.ts";
import type { Way } from "../../../support/wire/hostile-ways.ts";

const run = promisify(execFile);
const child = fileURLToPath(new URL("../../../support/wire/hostile-child.ts", import.meta.url));
const MiB = 1 << 20;

const expected: Record<Way, (conduct: Conduct) => string> = {
  grpc: ({ overHttp2 }) => overHttp2,
  connect: ({ overHttp1 }) => overHttp1,
  "grpc-web": ({ overHttp1, overGrpcWeb }) => overGrpcWeb ?? overHttp1,
  sockets: ({ overHttp1, overSockets }) => overSockets ?? overHttp1,
  sessions: ({ overHttp2 }) => overHttp2,
  fetch: ({ overHttp1 }) => overHttp1,
};

describe("a client of hostile peers", () => {
  let peers: HostilePeer[];
  let outcomes: Record<Way, string[][]>;
  let grewBytes: number;

  beforeAll(async () => {
    peers = await Promise.all(conducts.map(startHostilePeer));
    const urls = JSON.stringify(peers.map(({ url }) => url));
    const { stdout, stderr } = await run(process.execPath, [child, urls], { timeout: 60_000 });
    expect(stderr).toBe("");
    ({ outcomes, grewBytes } = JSON.parse(stdout));
  }, 70_000);
  afterAll(() => Promise.all(peers.map((peer) => peer.close())));

  it.each(Object.keys(expected) as Way[])("over %s is told each by its code, every time", (way) => {
    const told = conducts.map(({ does }, n) => [does, ...new Set(outcomes[way][n])]);
    const right = conducts.map((conduct, n) => {
      const outcome = expected[way](conduct);
      if (outcome !== "either") return [conduct.does, outcome];
      expect(["fine", "unavailable"]).toEqual(expect.arrayContaining(outcomes[way][n]!));
      return told[n];
    });
    expect(told).toEqual(right);
    for (const peer of peers) expect(peer.asked(), peer.conduct.does).toBeGreaterThan(0);
  });

  it("has met no fewer than eighteen", () => expect(conducts.length).toBeGreaterThanOrEqual(18));

  it("needs little memory for all of them at once", () => {
    const grewMiB = (grewBytes / MiB).toFixed(0);
    console.log(`${conducts.length} hostile peers, six ways, two calls each: grew by ${grewMiB} MiB`);
    expect(grewBytes).toBeLessThan(200 * MiB);
  });
});

it.each(conducts.filter(({ does }) => /never ends its answer|4 GiB|64 MiB/.test(does)))(
  "a client of a peer that $does needs no memory for it",
  async (conduct) => {
    const honest = await startTestPeer();
    const hostile = await startHostilePeer(conduct);
    try {
      const { stdout } = await run(process.execPath, [child, JSON.stringify([hostile.url]), honest.url], {
        timeout: 60_000,
      });
      const { outcomes, grewBytes } = JSON.parse(stdout);
      for (const way of Object.keys(expected) as Way[]) {
        expect([way, ...new Set(outcomes[way][0])]).toEqual([way, expected[way](conduct)]);
      }
      expect(hostile.asked()).toBeGreaterThan(0);
      expect(grewBytes).toBeLessThan(10 * MiB);
    } finally {
      await Promise.all([honest.close(), hostile.close()]);
    }
  },
  70_000,
);
