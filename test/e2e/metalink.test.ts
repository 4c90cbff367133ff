import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../support/free-port.ts";
import { LocalSwarm, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

const run = promisify(execFile);
const MiB = 1 << 20;

let swarm: LocalSwarm;
let gatewayUrl: string;

beforeAll(async () => {
  swarm = await LocalSwarm.start();
  const port = String(await freePort());
  gatewayUrl = `http://127.0.0.1:${port}`;
  const named = ["catalog", "--port", "0", "--gateway", gatewayUrl, ...swarm.trackerFlag];
  swarm.catalogUrl = await swarm.run("naming", named).url();
  const flags = [...swarm.trackerFlag, "--catalog", swarm.catalogUrl, "--port", port];
  await swarm.run("gateway", ["gateway", ...flags]).url();
  await writeRandomFile(swarm.path("big.iso"), 5 * MiB + 123);
  await mkdir(swarm.path("show/season 1"), { recursive: true });
  await writeRandomFile(swarm.path("show/season 1/episode é.bin"), 2 * MiB + 7);
  await writeRandomFile(swarm.path("show/it's a cover.bin"), 5);
  await writeFile(swarm.path("show/empty"), "");
  for (const name of ["big.iso", "show"]) {
    await swarm.publish(name, "--piece-length", "256KiB");
    await swarm.peer(name, name);
  }
}, 120_000);
afterAll(() => swarm?.stop());

const aria2 = (directory: string, ...args: string[]) =>
  run("aria2c", ["-q", "--no-conf", "--file-allocation=none", "-d", swarm.path(directory), ...args]);

async function expectSame(downloaded: string, original: string): Promise<void> {
  expect(await sha256sum(swarm.path(downloaded))).toBe(await sha256sum(swarm.path(original)));
}

describe("aria2 downloads by the Metalink of a catalog, bit for bit", () => {
  it("a file, given the URL of the Metalink", async () => {
    await aria2("by-url", "--follow-metalink=mem", `${swarm.catalogUrl}/files/big.iso.meta4`);
    await expectSame("by-url/big.iso", "big.iso");
  });

  it("a folder with names in any script", async () => {
    await aria2("folder", "--follow-metalink=mem", `${swarm.catalogUrl}/files/show.meta4`);
    for (const name of ["show/season 1/episode é.bin", "show/it's a cover.bin", "show/empty"])
      await expectSame(`folder/${name}`, name);
  });

  it("but nothing from a server that sends wrong bytes, because the Metalink has the hashes of the pieces", async () => {
    const whole = await readFile(swarm.path("big.iso"));
    for (let at = 0; at < whole.length; at += 100_000) whole[at] = whole[at]! ^ 1;
    const liar = createServer((request, response) => {
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
      if (from === undefined) return void response.setHeader("content-length", whole.length).end(whole);
      const last = to ? Number(to) : whole.length - 1;
      const part = whole.subarray(Number(from), last + 1);
      const range = `bytes ${from}-${last}/${whole.length}`;
      response.writeHead(206, { "content-range": range, "content-length": part.length }).end(part);
    }).listen(0, "127.0.0.1");
    await once(liar, "listening");
    onTestFinished(() => void liar.close());
    const { port } = liar.address() as { port: number };
    const answer = await fetch(`${swarm.catalogUrl}/files/big.iso.meta4`);
    const text = (await answer.text()).replace(gatewayUrl, `http://127.0.0.1:${port}`);
    await writeFile(swarm.path("liar.meta4"), text);
    await expect(aria2("liar", "--max-tries=1", "-M", swarm.path("liar.meta4"))).rejects.toThrow();
  });
});
