import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Packed, packPieza } from "../support/processes/packed.ts";
import { PiezaProcess } from "../support/processes/pieza-process.ts";
import { Podman } from "../support/processes/podman.ts";
import { sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const run = promisify(execFile);
const token = "a-token-for-tests-only";
const servers = ["tracker", "catalog", "peer-1", "peer-2", "gateway"];
const container = (server: string) => `pieza_${server}_1`;

let folder: string;
let packed: Packed;
let podman: Podman;
let image: string;
const started: PiezaProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-container-"));
  packed = await packPieza();
  podman = await Podman.start();
  image = await podman.build(packed.dist);
  const variables = { PIEZA_NAME: podman.address, PIEZA_TOKEN: token };
  await podman.compose("compose.yaml", variables, "up", "-d");
}, 240_000);
afterEach(async () => {
  for (const process of started.splice(0)) await process.stop();
});
afterAll(async () => {
  await podman?.stop();
  await packed?.remove();
  await rm(folder, { recursive: true, force: true });
});

const url = (port: number) => `http://${podman.address}:${port}`;

/** Runs a verb of the checkout on the machine that has the containers. */
function pieza(...args: string[]): PiezaProcess {
  const process = new PiezaProcess([...args, "--json", "--data", join(folder, "data")], {
    cwd: folder,
    env: { PIEZA_TOKEN: token, PIEZA_CATALOG: url(8080) },
    within: podman.network,
  });
  started.push(process);
  return process;
}

const isHealthy = (server: string) =>
  podman.run("healthcheck", "run", container(server)).then(
    () => true,
    () => false,
  );

async function allHealthy(): Promise<void> {
  for (const server of servers)
    await expect.poll(() => isHealthy(server), { timeout: 60_000, message: server }).toBe(true);
}

/** How many peers hold every piece of the file. */
async function complete(): Promise<number> {
  const peers = pieza("peers", "shared.bin");
  await peers.finished(60_000);
  return peers.lines.filter((line) => line.event === "peer" && line.complete === true).length;
}

const inspect = async (server: string, what: string) =>
  (await podman.run("inspect", "--format", `{{.State.${what}}}`, container(server))).trim();

async function expectDownload(name: string): Promise<void> {
  const get = pieza("get", "shared.bin", "-o", join(folder, name));
  expect(await get.finished(60_000), get.text).toBe(0);
  expect(await sha256sum(join(folder, name))).toBe(await sha256sum(join(folder, "shared.bin")));
}

it("is small, and every server of the composed swarm is healthy without root and without a root to write to", async () => {
  const size = Number(await podman.run("image", "inspect", "--format", "{{.Size}}", image));
  expect(size).toBeLessThan(200_000_000);
  await allHealthy();
  const look = `console.log(process.getuid()); try { fs.writeFileSync("/x", "") } catch (e) { console.log(e.code) }`;
  expect(await podman.run("exec", container("peer-1"), "node", "-e", look)).toBe("1000\nEROFS\n");
});

it("keeps two copies of a file after its seeder has left, and gives it at the gateway's URL", async () => {
  await writeRandomFile(join(folder, "shared.bin"), 6_000_000);
  const seeder = pieza(
    "seed",
    "shared.bin",
    ...["--host", podman.address, "--port", "0", "--replication-target", "3"],
  );
  await expect.poll(complete, { timeout: 120_000, interval: 500 }).toBe(3);
  await seeder.stop();
  await expectDownload("got.bin");
  const listed = pieza("info", "shared.bin");
  await listed.finished(60_000);
  const hash = /[0-9a-f]{64}/.exec(listed.text)?.[0];
  const at = join(folder, "by-gateway.bin");
  const [enter, ...rest] = [...podman.network, "curl", "-sS", "--fail", "-o", at];
  await run(enter!, [...rest, `${url(8090)}/content/${hash}/shared.bin`]);
  expect(await sha256sum(at)).toBe(await sha256sum(join(folder, "shared.bin")));
});

it("survives kill -9 of the tracker", async () => {
  const before = await inspect("tracker", "Pid");
  process.kill(Number(before), "SIGKILL");
  await expect
    .poll(() => inspect("tracker", "Pid"), { timeout: 60_000 })
    .not.toMatch(new RegExp(`^(0|${before})$`));
  await allHealthy();
  // Two copies, and what the gateway fetched.
  await expect.poll(complete, { timeout: 60_000, interval: 500 }).toBe(3);
});

it("lets one container at a time write to a download on a shared volume", async () => {
  const get = ["get", "shared.bin", "-o", "/data/shared.bin", "--catalog", url(8080)];
  const first = ["run", "--detach", "--name=first", "--volume=shared:/data", image];
  await podman.run(...first, ...get, "--limit-download", "200KB");
  const parts =
    "fs.readdirSync('/data', { recursive: true }).some((name) => name.endsWith('.lock')) || process.exit(1)";
  const begun = () =>
    podman.run("exec", "first", "node", "-e", parts).then(
      () => true,
      () => false,
    );
  await expect.poll(begun, { timeout: 30_000 }).toBe(true);
  const second = podman.run("run", "--rm", "--volume=shared:/data", image, ...get);
  await expect(second).rejects.toThrow(/is in use by another process in another container/);
  await podman.run("kill", "--signal=KILL", "first");
  await podman.run("run", "--rm", "--volume=shared:/data", image, ...get);
});

it("drains a peer that is stopped, and copies to the next volunteer what is missing then", async () => {
  await podman.run("stop", "--time=90", container("peer-1"));
  expect(await inspect("peer-1", "ExitCode")).toBe("0");
  await expect.poll(complete, { timeout: 60_000, interval: 500 }).toBe(2);
  await expectDownload("after.bin");
  const variables = { PIEZA_NAME: podman.address, PIEZA_CATALOG: url(8080), PIEZA_ZONE: "rack-2" };
  await podman.compose("compose.volunteer.yaml", variables, "up", "-d");
  await expect.poll(complete, { timeout: 120_000, interval: 500 }).toBe(3);
});
