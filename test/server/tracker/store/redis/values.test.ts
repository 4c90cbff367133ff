import { createHash, randomUUID } from "node:crypto";
import type { Redis } from "iovalkey";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { nodeClock } from "../../../../../server/base/node-clock.ts";
import { RedisSwarmStore } from "../../../../../server/tracker/store/redis/redis-swarm-store.ts";
import { order } from "../../../../contract/order-store.ts";
import { lease, torrent } from "../../../../contract/swarm-store.ts";
import { RedisServer } from "../../../../support/processes/redis-server.ts";

const HOSTILE = [
  "*",
  "\r\nFLUSHALL\r\n",
  "{tag}",
  ":".repeat(255),
  "[::1]:80",
  "\0",
  "ä".repeat(127),
  "../x",
];
/** May read, write and run scripts on the tracker's keys, and nothing else. */
const ACL = "on >secret ~pieza:* +@read +@write +@scripting +@connection +info +time -@dangerous +info";

let redis: RedisServer;
let other: Redis;
let store: RedisSwarmStore;
let prefix: string;

beforeAll(async () => {
  redis = await RedisServer.start();
  other = redis.client();
  await other.ping();
});
afterAll(async () => {
  other.disconnect();
  await redis.kill();
});
beforeEach(async () => {
  await other.flushall();
  prefix = `${randomUUID()}:`;
  store = new RedisSwarmStore({ url: redis.url, clock: nodeClock, prefix });
  await store.open(lease("a"));
  await store.join("a", torrent(), false);
});
afterEach(() => store.close());

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);
const swarmKey = () => `${prefix}swarm:${torrent().infoHash}00000008`;
const leaseKey = (id: string) => `${prefix}lease:${digest(id)}`;
const ids = async () => (await store.swarm(torrent()))?.members.map(({ leaseId }) => leaseId);

describe("texts from outside", () => {
  it.each(HOSTILE)("%j as an id, an address, a name finds nothing and changes nothing", async (text) => {
    const before = await other.dbsize();
    expect(await store.find(text)).toBeUndefined();
    expect(await store.renew(text, { draining: true })).toBeUndefined();
    expect(await store.holderOf(text)).toBeUndefined();
    await store.end(text);
    await store.leave(text, torrent().infoHash);
    await expect(store.join(text, torrent(), true)).rejects.toMatchObject({ code: "not_found" });
    expect(await store.swarmsNamed(text)).toEqual([]);
    expect(await store.legacyFile(text)).toBeUndefined();
    expect(await other.dbsize()).toBe(before);
  });

  it("are kept as they are, and are in no key", async () => {
    for (const [at, text] of HOSTILE.entries()) {
      const one = { ...lease(text), id: text, address: text, source: text, notListedReason: text };
      await store.open(one);
      await store.join(text, { ...torrent(), fileName: text }, false);
      expect(await store.find(text)).toEqual(one);
      expect((await store.holderOf(text))?.id).toBe(text);
      expect(await store.swarmsNamed(text)).toHaveLength(1);
      expect((await store.swarm(torrent()))?.members[at + 1]?.fileName).toBe(text);
    }
    const kinds = new Map<string, Set<number>>();
    for (const key of await other.keys("*")) {
      expect(key.slice(prefix.length)).toMatch(/^[a-z_]+(:[0-9a-f]+)?$/);
      const kind = key.slice(prefix.length).split(":")[0]!;
      kinds.set(kind, (kinds.get(kind) ?? new Set()).add(key.length));
    }
    for (const [kind, lengths] of kinds) expect(lengths.size, `lengths of ${kind}`).toBe(1);
  });
});

describe("values that no tracker wrote", () => {
  it("in a swarm: the row is passed over, the others are told", async () => {
    await store.open(lease("b"));
    await store.join("b", { ...torrent(), bitfield: Bitfield.full(8) }, false);
    const row = (await other.hgetBuffer(swarmKey(), digest("b")))!;
    const garbage = [
      "",
      "x",
      row.subarray(0, 39),
      row.subarray(0, 41),
      Buffer.concat([row, Buffer.from("more")]),
      Buffer.concat([Buffer.from("z"), row.subarray(1)]),
      Buffer.concat([row.subarray(0, 40), Buffer.from([9]), row.subarray(41)]),
      Buffer.concat([row.subarray(0, 40), Buffer.from([0]), row.subarray(41), Buffer.from([1, 2])]),
      Buffer.concat([row.subarray(0, 40), Buffer.from([1, 200]), row.subarray(42)]),
    ];
    for (const value of garbage) {
      const before = store.troubles.garbage;
      await other.hset(swarmKey(), digest("b"), value);
      await other.hincrby(swarmKey(), "v", 1);
      expect(await ids()).toEqual(["a"]);
      expect(store.troubles.garbage).toBeGreaterThan(before);
    }
    await other.hset(swarmKey(), "no digest", row);
    await other.hincrby(swarmKey(), "v", 1);
    expect(await ids()).toEqual(["a"]);
    await store.join("b", { ...torrent(), revision: 2 }, true);
    expect(await ids()).toEqual(["a", "b"]);
  });

  it("in a lease: it counts as none, and nobody can take it up", async () => {
    const json = (await other.get(leaseKey("a")))!;
    const forged = (change: object) => `p${JSON.stringify({ ...JSON.parse(json.slice(1)), ...change })}`;
    for (const value of [
      "",
      "p",
      "p[]",
      "pnull",
      forged({ id: "another" }),
      forged({ url: "javascript:alert(1)" }),
      forged({ url: "http://host/path" }),
      forged({ secretHash: "" }),
      forged({ identifyKey: "zz" }),
      forged({ listed: "yes" }),
      forged({ notListedReason: "x".repeat(10_000) }),
      forged({ zone: 1 }),
      forged({ checkAtSeconds: "soon" }),
      forged({ checkFailures: -1 }),
      forged({ volunteer: {} }),
      forged({ volunteer: { capacityBytes: 1, freeBytes: -1, bytesPerSecond: 0, saidAtMs: 0 } }),
    ]) {
      await other.set(leaseKey("a"), value);
      await other.hincrby(swarmKey(), "v", 1);
      expect(await store.find("a"), value).toBeUndefined();
      expect(await store.renew("a", { draining: true }), value).toBeUndefined();
      expect(await ids(), value).toBeUndefined();
    }
    await other.set(leaseKey("a"), json);
    await other.hincrby(swarmKey(), "v", 1);
    expect(await ids()).toEqual(["a"]);
  });

  it("among legacy peers' files and in the sets that say where to look", async () => {
    await store.open({ ...lease("s"), legacy: true });
    await store.declare("s", [{ fileName: "file", pieces: [{ number: 1, hash: "x" }] }]);
    expect((await store.legacyFile("file"))?.members).toHaveLength(1);
    for (const value of ["", "{}", '[["file",[[0,"x"]]]]', '[["",[]]]', '[["file",[[1,2]]]]']) {
      await other.set(`${prefix}declared:${digest("s")}`, value);
      const row = String(Math.floor(Math.random() * 1e15))
        .padStart(16, "0")
        .padEnd(40, "0");
      await other.hset(`${prefix}seeds`, digest("s"), row);
      await other.hincrby(`${prefix}seeds`, "v", 1);
      expect(await store.legacyFile("file"), value).toBeUndefined();
    }
    await other.sadd(`${prefix}info_hash:${torrent().infoHash}`, "x", `${torrent().infoHash}00000000`);
    await other.zadd(`${prefix}swarms`, 1, "nonsense");
    expect(await store.swarmsOf(torrent().infoHash)).toHaveLength(1);
    expect(await store.swarms(10)).toHaveLength(1);
  });

  it("in an order: it is passed over, the others stand", async () => {
    await store.open(lease("b"));
    const book = await store.orders.book(torrent());
    await store.orders.change(book, [order("a", [[0, 3]]), order("b", [[4, 7]])], []);
    const key = `${prefix}orders:${torrent().infoHash}00000008`;
    const row = (await other.hget(key, digest("b")))!;
    const [id, ranges, sources, numbers] = JSON.parse(row.slice(40));
    for (const value of [
      "nonsense",
      ["x", ranges, sources, numbers],
      [id, [[3, 2]], sources, numbers],
      [id, [[0, 8]], sources, numbers],
      [
        id,
        [
          [0, 1],
          [1, 2],
        ],
        sources,
        numbers,
      ],
      [id, ranges, ["javascript:alert(1)"], numbers],
      [id, ranges, Array(9).fill(sources[0]), numbers],
      [id, ranges, sources, [1, 2, 3]],
      [id, ranges, sources, [1, 2, 3, -4]],
    ]) {
      const before = store.troubles.garbage;
      await other.hset(key, digest("b"), row.slice(0, 40) + JSON.stringify(value));
      await other.hincrby(key, "v", 1);
      const orders = (await store.orders.book(torrent())).orders;
      expect(
        orders.map(({ leaseId }) => leaseId),
        JSON.stringify(value),
      ).toEqual(["a"]);
      expect(store.troubles.garbage).toBeGreaterThan(before);
    }
    await other.sadd(`${prefix}books`, "nonsense");
    expect(await store.orders.books()).toHaveLength(1);
  });

  it("of another type are unavailable, never anything else", async () => {
    const kinds = ["swarm:", "lease:", "joined:", "address:", "source:", "info_hash:", "name:"];
    const sets = ["seeds", "bytes", "volunteers", "books", `ordered:${digest("a")}`].map(
      (key) => prefix + key,
    );
    for (const key of [...(await other.keys(`${prefix}*`)), ...sets]) {
      const wrong = kinds.some((kind) => key.startsWith(prefix + kind)) ? "list" : "stream";
      await other.del(key);
      if (wrong === "list") await other.rpush(key, "x");
      else await other.xadd(key, "*", "a", "b");
    }
    const calls: [string, () => Promise<unknown>][] = [
      ["open", () => store.open(lease("a"))],
      ["find", () => store.find("a")],
      ["holderOf", () => store.holderOf(lease("a").address)],
      ["renew", () => store.renew("a", { draining: true })],
      ["end", () => store.end("a")],
      ["join", () => store.join("a", torrent(), true)],
      ["leave", () => store.leave("a", torrent().infoHash)],
      ["joined", () => store.joined("a")],
      ["swarm", () => store.swarm(torrent())],
      ["swarmsOf", () => store.swarmsOf(torrent().infoHash)],
      ["swarmsNamed", () => store.swarmsNamed("file")],
      ["swarms", () => store.swarms(10)],
      ["legacyPeers", () => store.legacyPeers()],
      ["changes", () => store.changes("")],
      ["volunteers", () => store.volunteers()],
      ["books", () => store.orders.books()],
      ["ofVolunteer", () => store.orders.ofVolunteer("a")],
      ["counts", () => store.counts()],
    ];
    for (const [name, call] of calls)
      await expect(call(), name).rejects.toMatchObject({ code: "unavailable" });
  });
});

it("a user who may only read, write and run scripts on the tracker's keys is enough", async () => {
  await other.call("ACL", "SETUSER", "tracker", ...ACL.split(" "));
  const url = redis.url.replace("redis://", "redis://tracker:secret@");
  const narrow = new RedisSwarmStore({ url, clock: nodeClock });
  await narrow.open(lease("a"));
  await narrow.join("a", torrent(), false);
  await narrow.renew("a", { draining: true });
  expect((await narrow.swarm(torrent()))?.members).toHaveLength(1);
  await narrow.declare("a", [{ fileName: "file", pieces: [] }]);
  await narrow.end("a");
  expect(await narrow.counts()).toEqual({ leases: 0, swarms: 0 });
  expect(narrow.troubles).toEqual({ errors: 0, garbage: 0 });
  await narrow.close();
});

it("nothing is left when the last peer has gone but the tracker's id, and every other key ends by itself", async () => {
  await store.open({ ...lease("s"), legacy: true });
  await store.declare("s", [{ fileName: "file", pieces: [] }]);
  for (const key of await other.keys(`${prefix}*`)) {
    if (!key.endsWith("tracker_id")) expect(await other.pttl(key), key).toBeGreaterThan(0);
  }
  await store.end("a");
  await store.end("s");
  expect(await store.swarmsNamed("file")).toEqual([]);
  const left = (await other.keys(`${prefix}*`)).map((key) => key.slice(prefix.length)).sort();
  expect(left).toEqual(["bytes", "changes", "tracker_id"]);
  expect(await other.get(`${prefix}bytes`)).toBe("0");
});
