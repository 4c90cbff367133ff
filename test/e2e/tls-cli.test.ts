import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pieza } from "../support/processes/pieza.ts";
import { PiezaProcess } from "../support/processes/pieza-process.ts";
import { RedisServer } from "../support/processes/redis-server.ts";
import { sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";
import { TestAuthority } from "../support/wire/certificates.ts";

const MiB = 1 << 20;
const name = "sealed.bin";
const token = "a-token-for-tests-only";

let folder: string;
let authority: TestAuthority;
let redis: RedisServer;
let tls: string[];
let trackers: string[];
let catalog: string;
const processes: PiezaProcess[] = [];

/** Starts a server that shows a certificate and trusts its authority's; returns its URL. */
function serve(data: string, ...args: string[]): Promise<string> {
  const process = new PiezaProcess([...args, ...tls, "--port", "0", "--json", "--data", join(folder, data)], {
    cwd: folder,
    env: { PIEZA_TOKEN: token },
  });
  processes.push(process);
  return process.url();
}

const client = (...args: string[]) =>
  pieza([...args, "--data", join(folder, "client")], { cwd: join(folder, "client"), timeoutMs: 60_000 });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-tls-cli-"));
  authority = await TestAuthority.make();
  redis = await RedisServer.start();
  await mkdir(join(folder, "client"));
  const { tlsCert, tlsKey } = await authority.issue();
  tls = ["--tls-cert", tlsCert, "--tls-key", tlsKey, "--ca", authority.ca];
  await writeRandomFile(join(folder, name), 8 * MiB);
  const replica = (data: string) => serve(data, "tracker", "--store", redis.url);
  trackers = [await replica("tracker-1"), await replica("tracker-2")];
  catalog = await serve("catalog", "catalog", "--tracker", trackers[1]!);
  await serve("seed", "seed", join(folder, name), "--catalog", catalog, "--tracker", trackers[0]!);
});
afterAll(async () => {
  await Promise.all(processes.map((process) => process.stop()));
  await redis?.kill();
  await authority?.remove();
  await rm(folder, { recursive: true, force: true });
});

describe("tracker, catalog and seed as processes over TLS, the tracker in two replicas on one Redis", () => {
  it("have https URLs", () => {
    expect([...trackers, catalog].map((url) => new URL(url).protocol)).toEqual([
      "https:",
      "https:",
      "https:",
    ]);
  });

  // The seed announces to one replica and the catalog names the other.
  it.each(["auto", "grpc", "connect"])("give a file to who trusts their authority, over %s", async (kind) => {
    const out = join(folder, `got-${kind}.bin`);
    const flags = ["--catalog", catalog, "--transport", kind, "--give-up-after", "20s", "-o", out];
    const got = await client("get", name, ...flags, "--ca", authority.ca);
    expect(got.code, got.stderr).toBe(0);
    expect(await sha256sum(out)).toBe(await sha256sum(join(folder, name)));
  });

  it.each([
    ["ls", []],
    ["get", [name, "-o", "never.bin"]],
  ])("send %s without --ca away with 7, and say what to do", async (verb, args) => {
    const ran = await client(verb, ...args, "--catalog", catalog);
    expect(ran.code, ran.stderr).toBe(7);
    expect(ran.stderr).toMatch(/authority that is not known here; name the authority's PEM file with --ca/);
  });

  it("send http away with 7, and say https", async () => {
    const ran = await client("ls", "--catalog", catalog.replace("https:", "http:"));
    expect(ran.code, ran.stderr).toBe(7);
    expect(ran.stderr).toMatch(/speaks TLS there; use https:/);
  });
});

describe("a tracker whose Redis is away", () => {
  it("is out of reach for clients with 7, and answers again when Redis does", async () => {
    await redis.kill();
    const ran = await client("peers", name, "--catalog", catalog, "--ca", authority.ca);
    expect(ran.code, ran.stdout + ran.stderr).toBe(7);
    await redis.restart();
    await expect
      .poll(async () => (await client("peers", name, "--catalog", catalog, "--ca", authority.ca)).code, {
        timeout: 60_000,
      })
      .toBe(0);
  });
});
