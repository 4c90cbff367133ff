import { afterEach, beforeEach, expect, it } from "vitest";
import { RedisConnection } from "../../../../../server/tracker/store/redis/redis-connection.ts";
import { within } from "../../../../support/deadline.ts";
import { RedisServer } from "../../../../support/processes/redis-server.ts";

/** A command is given half a second; much more than that is a hang, on any machine. */
const HANG_MS = 10_000;

let redis: RedisServer;
let connection: RedisConnection;
beforeEach(async () => {
  redis = await RedisServer.start();
  connection = new RedisConnection({ url: redis.url });
  await connection.command("PING");
});
afterEach(async () => {
  redis.thaw();
  await within(HANG_MS, "the connection closes", connection.close());
  await redis.kill();
});

const refused = (call: Promise<unknown>) => expect(call).rejects.toMatchObject({ code: "unavailable" });

/** Whether a call fails before anything else of the process has its turn: it waits for nobody. */
async function refusedAtOnce(): Promise<boolean> {
  let turned = false;
  const turn = new Promise<void>((resolve) =>
    setImmediate(() => {
      turned = true;
      resolve();
    }),
  );
  await refused(connection.command("PING"));
  const atOnce = !turned;
  await turn;
  return atOnce;
}

it("a Redis that does not answer costs the commands under way their half second, and later ones nothing", async () => {
  redis.freeze();
  const underWay = Array.from({ length: 100 }, () => connection.command("PING"));
  await within(HANG_MS, "all commands fail", Promise.all(underWay.map(refused)));
  for (let n = 0; n < 1_000; n++) expect(await refusedAtOnce(), `call ${n + 1}`).toBe(true);
  redis.thaw();
  await expect
    .poll(() => connection.command("PING").then(String, () => "away"), { timeout: 20_000 })
    .toBe("PONG");
});

it("a Redis that is gone costs nobody any time", async () => {
  await redis.kill();
  await expect.poll(() => refusedAtOnce(), { timeout: HANG_MS }).toBe(true);
  for (let n = 0; n < 1_000; n++) expect(await refusedAtOnce(), `call ${n + 1}`).toBe(true);
  expect(connection.errors).toBeGreaterThan(1_000);
  await redis.restart();
  await expect
    .poll(() => connection.command("PING").then(String, () => "away"), { timeout: 20_000 })
    .toBe("PONG");
});
