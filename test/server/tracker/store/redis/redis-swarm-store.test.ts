import { randomUUID } from "node:crypto";
import { afterAll, beforeAll } from "vitest";
import { RedisSwarmStore } from "../../../../../server/tracker/store/redis/redis-swarm-store.ts";
import { legacyPeersContract } from "../../../../contract/legacy-peers.ts";
import { orderStoreContract } from "../../../../contract/order-store.ts";
import { swarmCopiesContract } from "../../../../contract/swarm-copies.ts";
import { type MakeSwarmStore, swarmStoreContract } from "../../../../contract/swarm-store.ts";
import { RedisServer } from "../../../../support/processes/redis-server.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.kill());

const make: MakeSwarmStore = (clock, limits) =>
  new RedisSwarmStore({
    url: redis.url,
    clock,
    limits,
    now: () => clock.now(),
    prefix: `${randomUUID()}:`,
  });
swarmStoreContract("redis", make);
legacyPeersContract("redis", make);
swarmCopiesContract("redis", make);
orderStoreContract("redis", make);
