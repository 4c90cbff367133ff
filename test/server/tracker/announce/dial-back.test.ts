import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { afterEach, describe, expect, it } from "vitest";
import { nodeClock } from "../../../../server/base/node-clock.ts";
import { startServing } from "../../../../server/peer/serving/serving.ts";
import { AddressPolicy } from "../../../../server/tracker/announce/address.ts";
import { DialBack } from "../../../../server/tracker/announce/dial-back.ts";
import { FairSlots } from "../../../../server/tracker/announce/fair-slots.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { TestAuthority } from "../../../support/wire/certificates.ts";
import { conducts, startHostilePeer } from "../../../support/wire/hostile-peers.ts";

const proto = fileURLToPath(new URL("../../../../proto", import.meta.url));
const key = new Uint8Array(32).fill(7);
const otherKey = new Uint8Array(32).fill(8);
const signal = new AbortController().signal;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A tracker on loopback that knows these names. */
function dialBack(names: Record<string, string[]> = {}, ca?: string): DialBack {
  const resolveHost = async (name: string) => names[name] ?? [];
  const addresses = new AddressPolicy({ own: "loopback", resolveHost });
  return new DialBack({ addresses, slots: new FairSlots(64), clock: nodeClock, ca });
}

const check = (url: string, identifyKey: Uint8Array = key, names?: Record<string, string[]>) =>
  dialBack(names).check({ url, identifyKey, source: "127.0.0.1" }, signal);

async function peer(identifyKeys: Uint8Array[], options: { publicUrl?: string } = {}): Promise<string> {
  const { server } = await startServing({ port: 0, identifyKeys, ...options });
  ends.push(() => server.close());
  return `http://127.0.0.1:${server.port}`;
}

describe("a peer of ours", () => {
  it("is proven by any of its keys", async () => {
    const url = await peer([otherKey, key]);
    expect(await check(url)).toEqual({ listed: true, reason: "", proven: true });
  });

  it("is not what others say it is", async () => {
    const url = await peer([otherKey]);
    expect(await check(url)).toEqual({
      listed: false,
      proven: false,
      reason: expect.stringContaining("another peer"),
    });
  });

  it("that sent no key proves nothing", async () => {
    const url = await peer([]);
    expect(await check(url, new Uint8Array())).toMatchObject({ listed: false, proven: false });
  });

  it("that is not there is said to be so", async () => {
    const url = await peer([key]);
    await ends.pop()!();
    expect(await check(url)).toMatchObject({ listed: false, reason: expect.stringContaining(url) });
  });
});

it("a peer that speaks gRPC and nothing else is proven too", async () => {
  const definition = loadSync("pieza/v1/peer.proto", { includeDirs: [proto] });
  // biome-ignore lint/suspicious/noExplicitAny: what the proto loader makes has no types
  const { service } = (grpc.loadPackageDefinition(definition) as any).pieza.v1.PeerService;
  const server = new grpc.Server();
  server.addService(service, {
    identify: (
      call: { request: { nonce: Uint8Array } },
      done: (error: null, answer: { proofs: Uint8Array[] }) => void,
    ) => done(null, { proofs: [createHmac("sha256", key).update(call.request.nonce).digest()] }),
  });
  ends.push(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  expect(await check(`http://127.0.0.1:${port}`)).toMatchObject({ proven: true });
  expect(await check(`http://127.0.0.1:${port}`, otherKey)).toMatchObject({ proven: false });
});

describe("a host name", () => {
  it("is dialled at the addresses that were allowed, whatever it means to others", async () => {
    const url = await peer([key], { publicUrl: "http://peer.invalid:1" });
    const name = url.replace("127.0.0.1", "peer.invalid");
    expect(await check(name, key, { "peer.invalid": ["127.0.0.1"] })).toMatchObject({ proven: true });
    expect(await check(name, key, { "peer.invalid": ["::1", "127.0.0.1"] })).toMatchObject({ proven: true });
  });

  it.each([
    ["means nothing", []],
    ["means an address that is not allowed", ["10.0.0.5"]],
    ["means one such address among others", ["127.0.0.1", "10.0.0.5"]],
  ])("that %s is not dialled", async (_, addresses) => {
    const url = await peer([key], { publicUrl: "http://peer.invalid:1" });
    const name = url.replace("127.0.0.1", "peer.invalid");
    expect(await check(name, key, { "peer.invalid": addresses })).toMatchObject({ listed: false });
  });
});

it("a peer with TLS is proven under the name of its certificate, by those who trust its authority", async () => {
  const authority = await TestAuthority.make();
  ends.push(() => authority.remove());
  const certificate = await authority.issue({ names: "DNS:peer.invalid" });
  const { server } = await startServing({
    port: 0,
    identifyKeys: [key],
    publicUrl: "https://peer.invalid",
    ...certificate,
  });
  ends.push(() => server.close());
  const names = { "peer.invalid": ["127.0.0.1"], "other.invalid": ["127.0.0.1"] };
  const ca = await readFile(authority.ca, "utf8");
  const checkWith = (trusted: string | undefined, name: string) =>
    dialBack(names, trusted).check(
      { url: `https://${name}:${server.port}`, identifyKey: key, source: "" },
      signal,
    );
  expect(await checkWith(ca, "peer.invalid")).toMatchObject({ proven: true });
  expect(await checkWith(ca, "other.invalid")).toMatchObject({ proven: false });
  expect(await checkWith(undefined, "peer.invalid")).toMatchObject({ proven: false });
});

it("a literal that is not allowed is not dialled, although it was when the lease was made", async () => {
  const url = "http://10.0.0.5:50051";
  const { reason } = await dialBack().check({ url, identifyKey: key, source: "10.0.0.5" }, signal);
  expect(reason).toContain("not in the networks");
});

it("a redirect is not followed", async () => {
  const honest = await peer([key]);
  const asked: string[] = [];
  const detour = createServer((request, response) => {
    asked.push(request.url!);
    response.writeHead(307, { location: `${honest}${request.url}` }).end();
  });
  ends.push(() => void detour.close());
  await new Promise<void>((resolve) => detour.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(detour.address() as AddressInfo).port}`;
  expect(await check(url)).toMatchObject({ listed: false, proven: false });
  expect(asked).toHaveLength(1);
});

it("an announcer elsewhere learns neither by words nor by time what listens at an address", async () => {
  const servers = await Promise.all(conducts.map(startHostilePeer));
  ends.push(...servers.map((server) => () => server.close()));
  const closed = await peer([key]);
  await ends.pop()!();
  const urls = [...servers.map(({ url }) => url), await peer([otherKey]), closed, "http://nobody.invalid:1"];
  const clock = new FakeClock();
  const addresses = new AddressPolicy({ own: "loopback", resolveHost: async () => [] });
  const dial = new DialBack({ addresses, slots: new FairSlots(64), clock });
  let known = 0;
  const found = urls.map(async (url) => {
    const { reason } = await dial.check({ url, identifyKey: key, source: "203.0.113.9" }, signal);
    known++;
    return reason.replace(url, "URL");
  });
  // Time passes in which the same servers answer somebody else, and which the clock knows nothing of.
  await Promise.all(urls.slice(-3, -1).map((url) => check(url)));
  await clock.tick(1_999);
  expect(known).toBe(0);
  await clock.tick(1);
  const reasons = await Promise.all(found);
  expect(new Set(reasons).size, [...new Set(reasons)].join("\n")).toBe(1);
  expect(reasons[0]).toMatch(/^not reached at URL: this peer does not answer there/);
});

it("eighteen hostile servers at once are not listed, each for a reason in words, and all within seconds", async () => {
  const servers = await Promise.all(conducts.map(startHostilePeer));
  ends.push(...servers.map((server) => () => server.close()));
  expect(servers.length).toBeGreaterThanOrEqual(18);
  const found = await Promise.all(servers.map(({ url }) => check(url)));
  for (const { listed, proven, reason } of found) {
    expect({ listed, proven }).toEqual({ listed: false, proven: false });
    expect(reason).toMatch(/^(not reached at|the server at) http:\/\/127\.0\.0\.1:\d+/);
    expect(reason.length).toBeLessThanOrEqual(200);
  }
}, 20_000);

it("an aborted check ends at once, with the signal's reason", async () => {
  const silent = await startHostilePeer(conducts.find(({ does }) => does.includes("never answers"))!);
  ends.push(() => silent.close());
  const closing = new AbortController();
  const checked = dialBack().check({ url: silent.url, identifyKey: key, source: "" }, closing.signal);
  closing.abort(new Error("closed"));
  await expect(checked).rejects.toThrow("closed");
});
