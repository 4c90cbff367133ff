import { createHash } from "node:crypto";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { nodeClock } from "../../../../../server/base/node-clock.ts";
import { openTransport } from "../../../../../server/http/client/transports.ts";
import { CallRate, sharedRate, type TakeRate } from "../../../../../server/http/guards/rate-limit.ts";
import { type RunningServer, startServer } from "../../../../../server/http/listening/server.ts";
import { RedisSwarmStore } from "../../../../../server/tracker/store/redis/redis-swarm-store.ts";
import { composeTracker, openShared } from "../../../../../server/tracker/tracker.ts";
import { RedisServer } from "../../../../support/processes/redis-server.ts";

/** What one address may do at once; it is hours until it may do it again. */
const BURST = 12;
const PER_SECOND = 0.001;
const WINDOW_MS = (1_000 * BURST) / PER_SECOND;
const CALLER = "127.0.0.1";

let redis: RedisServer;
let closes: (() => unknown)[];

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.kill());
beforeEach(async () => {
  closes = [];
  const other = redis.client();
  await other.flushall();
  other.disconnect();
});
afterEach(async () => {
  for (const close of closes.reverse()) await close();
});

/** The limit of one server more of the same tracker, its own bucket standing still. */
function limit(burst = BURST): TakeRate {
  const store = new RedisSwarmStore({ url: redis.url, clock: nodeClock });
  closes.push(() => store.close());
  return sharedRate(new CallRate(burst, PER_SECOND, () => 0), store.rate(burst, PER_SECOND));
}

/** Whatever one asks about Redis while it may be down. */
async function asked<T>(question: (other: ReturnType<RedisServer["client"]>) => Promise<T>): Promise<T> {
  const other = redis.client();
  try {
    return await question(other);
  } finally {
    other.disconnect();
  }
}

const rateKey = `pieza:rate:${createHash("sha256").update(CALLER).digest("hex").slice(0, 32)}`;
const counted = () => asked(async (other) => Number(await other.get(rateKey)));

/** How many of so many calls were let through. */
async function admitted(take: TakeRate, calls: number, address = CALLER): Promise<number> {
  const waits = await Promise.all(Array.from({ length: calls }, () => take(address)));
  return waits.filter((waitMs) => waitMs === 0).length;
}

it("three servers let an address do together what one lets it do, each time another address", async () => {
  const servers = [limit(), limit(), limit()];
  for (const address of ["127.0.0.1", "2001:db8::1"]) {
    const each = await Promise.all(servers.map((take) => admitted(take, BURST, address)));
    expect(each.reduce((a, b) => a + b)).toBe(BURST);
  }
  expect(await admitted(servers[0]!, 1, "2001:db8::2"), "one /64 is one caller").toBe(0);
});

it("what is refused is told when it ends, and then refused without asking Redis", async () => {
  const [one, two] = [limit(), limit()];
  expect(await admitted(one, BURST)).toBe(BURST);
  const waitMs = await two(CALLER);
  expect(waitMs).toBeGreaterThan(WINDOW_MS - 600_000);
  expect(waitMs).toBeLessThanOrEqual(WINDOW_MS);
  const before = await counted();
  for (let n = 0; n < 20; n++) expect(two(CALLER), "at once").toBeTypeOf("number");
  expect(await counted()).toBe(before);
});

it("a count has a key that nobody's text is in, and ends with its window", async () => {
  await limit()(CALLER);
  await asked(async (other) => {
    expect(await other.keys("pieza:rate:*")).toEqual([rateKey]);
    const ttlMs = await other.pttl(rateKey);
    expect(ttlMs).toBeGreaterThan(0);
    expect(ttlMs).toBeLessThanOrEqual(WINDOW_MS);
  });
});

it("while Redis is away each server has its own limit, and counts with the others when it is back", async () => {
  const [one, two] = [limit(BURST), limit(BURST)];
  expect(await admitted(one, 2)).toBe(2);
  await redis.kill();
  expect(await admitted(one, BURST), "the rest of its own").toBe(BURST - 2);
  expect(await admitted(two, BURST + 5)).toBe(BURST);
  await redis.restart();
  const late = limit();
  const back = async () => {
    await late(CALLER);
    return (await counted()) > 0;
  };
  await expect.poll(back, { timeout: 20_000 }).toBe(true);
});

it("a value that no server wrote stops nobody", async () => {
  await asked((other) => other.set(rateKey, "something else"));
  expect(await admitted(limit(), BURST + 5)).toBe(BURST);
});

it("callers of trackers are told so, whichever way they are answered, and closed networks have no such limit", async () => {
  const start = async (options: { direct: boolean; rateLimit: boolean }): Promise<RunningServer> => {
    const stored = { port: 0, store: redis.url };
    const tracker = composeTracker(stored, await openShared(stored));
    const { services, shareRate } = tracker;
    const limits = { changesBurst: BURST, changesPerSecond: PER_SECOND };
    const server = await startServer({
      port: 0,
      ...{ services, shareRate, limits },
      ...options,
    });
    closes.push(async () => {
      await server.close();
      await tracker.close();
    });
    return server;
  };
  const codes = async ({ url }: RunningServer, calls: number) => {
    const { transport, close } = openTransport(url, "grpc");
    closes.push(close);
    const { announce } = createClient(TrackerService, transport);
    const heartbeat = { leaseId: "0".repeat(32), leaseSecret: "0".repeat(32) };
    const failed = Array.from({ length: calls }, () =>
      announce(heartbeat).then(
        () => undefined,
        (error) => ConnectError.from(error).code,
      ),
    );
    return Promise.all(failed);
  };
  const [direct, library, closed] = [
    await start({ direct: true, rateLimit: true }),
    await start({ direct: false, rateLimit: true }),
    await start({ direct: true, rateLimit: false }),
  ];
  expect(await codes(direct, BURST - 2)).toEqual(Array(BURST - 2).fill(Code.NotFound));
  expect(await codes(library, 2)).toEqual([Code.NotFound, Code.NotFound]);
  for (const server of [direct, library]) {
    expect(await codes(server, 2)).toEqual([Code.ResourceExhausted, Code.ResourceExhausted]);
  }
  expect(await codes(closed, 2 * BURST)).toEqual(Array(2 * BURST).fill(Code.NotFound));
});
