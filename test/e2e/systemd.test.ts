import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { BootedDebian } from "../support/processes/booted-debian.ts";
import { installPieza, type Packed, packPieza } from "../support/processes/packed.ts";
import { PiezaProcess } from "../support/processes/pieza-process.ts";
import { sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const ports = { tracker: 50_050, catalog: 8080, peer: 50_051, gateway: 8090 };
const services = Object.keys(ports) as (keyof typeof ports)[];
const urlOf = (service: keyof typeof ports) => `http://127.0.0.1:${ports[service]}`;
const token = "a-token-for-tests-only";
/** What an operator writes, as docs/deploy.md says. The drain is short, because the test is its only cause. */
const settings = {
  tracker: "PIEZA_JSON=1",
  catalog: `PIEZA_TRACKER=${urlOf("tracker")}\nPIEZA_TOKEN=${token}`,
  peer: "PIEZA_VOLUNTEER=1GB\nPIEZA_DRAIN_TIMEOUT=2s",
  gateway: "PIEZA_DRAIN_TIMEOUT=2s",
};

let folder: string;
/** The machine's /usr/local. */
let prefix: string;
let packed: Packed;
let debian: BootedDebian;
const started: PiezaProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-systemd-"));
  prefix = join(folder, "usr-local");
  packed = await packPieza();
  await installPieza(packed, prefix);
  await copyFile(process.execPath, join(prefix, "bin/node"));
  await mkdir(join(prefix, "env"));
  for (const service of services) {
    await writeFile(join(prefix, `env/pieza-${service}.env`), `${settings[service]}\n`);
  }
  debian = await BootedDebian.boot(prefix);
  await debian.run("cp", "-r", "/usr/local/env", "/etc/pieza");
  await debian.run("cp", "-r", "/usr/local/lib/node_modules/pieza/deploy/systemd/.", "/etc/systemd/system/");
  await debian.run("systemctl", "daemon-reload");
  await debian.run("systemctl", "enable", "--now", ...services.map((service) => `pieza-${service}`));
});
afterEach(async () => {
  for (const process of started.splice(0)) await process.stop();
});
afterAll(async () => {
  await debian?.[Symbol.asyncDispose]();
  await packed?.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a verb of the checkout on the machine's network. */
function pieza(...args: string[]): PiezaProcess {
  const process = new PiezaProcess([...args, "--json", "--data", join(folder, "data")], {
    cwd: folder,
    env: { PIEZA_TOKEN: token },
    within: debian.network,
  });
  started.push(process);
  return process;
}

const answers = (service: keyof typeof ports) =>
  debian.get(`${urlOf(service)}/healthz`).then(
    () => true,
    () => false,
  );

async function allAnswer(): Promise<void> {
  for (const service of services)
    await expect.poll(() => answers(service), { timeout: 60_000, message: service }).toBe(true);
}

/** How many peers hold every piece of the file. */
async function complete(): Promise<number> {
  const peers = pieza("peers", "shared.bin");
  await peers.finished(60_000);
  return peers.lines.filter((line) => line.event === "peer" && line.complete === true).length;
}

const processOf = (service: string) =>
  debian.run("systemctl", "show", "--property=MainPID", "--value", `pieza-${service}`);

it("starts every service, hardened", async () => {
  await allAnswer();
  for (const service of services) {
    const unit = `pieza-${service}.service`;
    // Fails above this tenth of an exposure level.
    await debian.run("systemd-analyze", "security", "--no-pager", "--threshold=20", unit);
    expect(await debian.run("systemctl", "is-enabled", unit)).toBe("enabled\n");
  }
});

it("keeps a copy of a file at the volunteer, and gives it away after the seeder has left", async () => {
  await writeRandomFile(join(folder, "shared.bin"), 6_000_000);
  const seeder = pieza("seed", "shared.bin", "--port", "0", "--replication-target", "2");
  await expect.poll(complete, { timeout: 120_000, interval: 500 }).toBe(2);
  await seeder.stop();
  const get = pieza("get", "shared.bin", "-o", join(folder, "got.bin"));
  expect(await get.finished(60_000), get.text).toBe(0);
  expect(await sha256sum(join(folder, "got.bin"))).toBe(await sha256sum(join(folder, "shared.bin")));
});

it("gives the file at the gateway's URL", async () => {
  const listed = pieza("info", "shared.bin");
  await listed.finished(60_000);
  const hash = /[0-9a-f]{64}/.exec(listed.text)?.[0];
  await writeFile(
    join(folder, "by-gateway.bin"),
    await debian.get(`${urlOf("gateway")}/content/${hash}/shared.bin`),
  );
  expect(await sha256sum(join(folder, "by-gateway.bin"))).toBe(await sha256sum(join(folder, "shared.bin")));
});

it("has every service back after kill -9", async () => {
  const before = await Promise.all(services.map(processOf));
  for (const service of services) await debian.run("systemctl", "kill", "--signal=KILL", `pieza-${service}`);
  for (const [at, service] of services.entries()) {
    const isNew = async () => !["0\n", before[at]].includes(await processOf(service));
    await expect.poll(isNew, { timeout: 60_000, message: service }).toBe(true);
  }
  await allAnswer();
  await expect.poll(complete, { timeout: 60_000, interval: 500 }).toBeGreaterThanOrEqual(1);
});

it("an upgrade breaks no running download, and the tracker knows the peers again", async () => {
  const get = pieza("get", "shared.bin", "-o", join(folder, "slow.bin"), "--limit-download", "500KB");
  await get.line("the first piece", ({ event }) => event === "piece" || event === "progress");
  await installPieza(packed, prefix);
  for (const service of services) await debian.run("systemctl", "restart", `pieza-${service}`);
  expect(get.lines.some(({ event }) => event === "done")).toBe(false);
  expect(await get.finished(120_000), get.text).toBe(0);
  expect(await sha256sum(join(folder, "slow.bin"))).toBe(await sha256sum(join(folder, "shared.bin")));
  await allAnswer();
  await expect.poll(complete, { timeout: 60_000, interval: 500 }).toBeGreaterThanOrEqual(1);
});

it("stops every service without a failure", async () => {
  const units = services.map((service) => `pieza-${service}`);
  await debian.run("systemctl", "stop", ...units);
  const results = await debian.run("systemctl", "show", "--property=Result", "--value", ...units);
  expect(results.split("\n").filter(Boolean)).toEqual(services.map(() => "success"));
});
